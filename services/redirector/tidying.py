"""Letting go of what nobody needs any more on the journal disk: journals that are done, and what was cut short.

That is uploads, and files to be kept, which may hold what must not be kept for long.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from redirector.journal.adoption import remove_done
from redirector.kept import DIRECTORY_NAME

ROUND: Final = timedelta(minutes=10)

UNFINISHED_AGE_MAX: Final = timedelta(hours=24)
"""Nothing takes that long to write; what is older was left by a process that was killed."""

log = logging.getLogger(__name__)


async def keep_tidy(journal_dir: Path, retention: timedelta | None, done_bytes_max: int) -> None:
    """Go round for ever."""
    while True:
        try:
            tidy_up(journal_dir, retention, done_bytes_max)
        except OSError:  # redirects go on whatever lies about
            log.exception("%s cannot be tidied", journal_dir)
        await asyncio.sleep(ROUND.total_seconds())


def tidy_up(journal_dir: Path, retention: timedelta | None, done_bytes_max: int) -> None:
    """One round. Journals that are done may together take `done_bytes_max`."""
    remove_done([journal_dir / kind for kind in ("live", "imports")], retention, done_bytes_max)
    for unfinished in (*(journal_dir / "uploads").glob("upload-*"), *(journal_dir / DIRECTORY_NAME).glob(".*")):
        with suppress(FileNotFoundError):  # it has just been finished
            if time.time() - unfinished.stat().st_mtime > UNFINISHED_AGE_MAX.total_seconds():
                unfinished.unlink()
