"""The archive of Kafka's classes as Java loads them: with it a broker starts in less than half the time.

Starts a broker once in a folder that goes away, lets it serve, and ends it cleanly: Java writes the archive then. What
goes wrong is logged and no more, for a broker runs without one as well.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from local.errors import LocalError
from local.kafka.broker import Broker, prepared
from local.kafka.errands import Errand
from local.kafka.kit import ENVIRONMENT, Kit
from local.kafka.sessions import is_serving

SERVE_SECONDS_MAX: Final = 60
DUMP_SECONDS_MAX: Final = 60
POLL_SECONDS: Final = 0.2

log = logging.getLogger(__name__)


def archive_in(folder: Path, kit: Kit) -> Path:
    """Where the archive for `kit` is, or would be: one for each build of Java."""
    return folder / f"classes-{kit.java.build[:12]}.jsa"


async def train(folder: Path, kit: Kit, making: Path, say: Callable[[str], None]) -> None:
    """Make the archive in `folder`, whole or not at all, by way of the empty folder `making`."""
    say("making its start quicker, once")
    try:
        with prepared(making / "kafka", replace(kit, archive=None)) as broker:
            archive = await _archived(broker, making)
        archive.rename(archive_in(folder, kit))
    except (OSError, LocalError, _UntrainedError) as error:
        log.warning("Kafka starts without an archive of its classes, and more slowly: %s", error)


class _UntrainedError(Exception):
    """The run did not give an archive."""


async def _archived(broker: Broker, making: Path) -> Path:
    archive = making / "classes.jsa"
    command = broker.command(options=[f"-XX:ArchiveClassesAtExit={archive}"])
    errand = Errand(command, broker.home, ENVIRONMENT, making / "training.log")
    async with errand.running() as process:
        try:
            async with asyncio.timeout(SERVE_SECONDS_MAX):
                while not await is_serving(broker.bootstrap):
                    if process.returncode is not None:
                        raise _UntrainedError(f"a broker on trial ended: {errand.last_words()}")
                    await asyncio.sleep(POLL_SECONDS)
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), DUMP_SECONDS_MAX)
        except TimeoutError as error:
            raise _UntrainedError("a broker on trial took too long") from error
    if not archive.is_file():
        raise _UntrainedError(f"Java wrote none: {errand.last_words()}")
    return archive
