"""Small private files beside the journals: what a restart has to know while Postgres is away.

Each holds one JSON value behind its checksum, is readable by its owner only and is replaced whole. One that is damaged
is as good as absent. Several processes may share a directory: the last who writes wins. All calls but `keep` block; on
the event loop, `asyncio.to_thread` is for them.
"""

import asyncio
import logging
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from processes.private_files import PRIVATE_DIRECTORY, write_private
from redirector.journal.segments import sync_directory

DIRECTORY_NAME: Final = "kept"
"""Inside the journal directory."""

_CHECKSUM_BYTES: Final = 16

log = logging.getLogger(__name__)

T = TypeVar("T")


class KeptFile:
    """One such file."""

    def __init__(self, journal_dir: Path, name: str) -> None:
        self._path = journal_dir / DIRECTORY_NAME / name
        self._body = b""  # that is known to be there

    def read(self, parse: Callable[[Any], T]) -> T | None:
        """What `parse` makes of the value; None where there is none, or none that can be read.

        `parse` says with a KeyError, TypeError or ValueError that it is not what was kept.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return None
        try:
            body = _body_in(content)
            value = parse(orjson.loads(body))
        except (KeyError, TypeError, ValueError):  # without what it says: that may quote what is private
            log.warning("%s is damaged and counts as absent", self._path)
            return None
        self._body = body
        return value

    def write(self, value: Any) -> None:
        """Replace the file in one step; when this returns, the new one survives a power loss.

        Raises:
            OSError: it could not be written. The old one is still there.
        """
        body = orjson.dumps(value)
        self._path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_private(self._path, f"{_checksum(body)}\n{body.decode()}")
        sync_directory(self._path.parent)
        self._body = body

    async def keep(self, what: str, value: Any) -> bool:
        """Write beside the event loop, unless it is there already. If it cannot be, the old one stays.

        Whether it is there; if not, the log names `what`.
        """
        if orjson.dumps(value) == self._body:
            return True
        try:
            await asyncio.to_thread(self.write, value)
        except OSError as error:
            log.warning("%s cannot be kept for a start without Postgres: %s", what, error)
            return False
        return True

    def remove(self) -> None:
        """Let go of the file, if there is one.

        Raises:
            OSError: it is still there, or may come back with a power loss.
        """
        try:
            self._body = b""
            self._path.unlink()
        except FileNotFoundError:
            return
        sync_directory(self._path.parent)


def _body_in(content: bytes) -> bytes:
    checksum, _, body = content.partition(b"\n")
    if checksum != _checksum(body).encode():
        raise ValueError("the checksum is another one")
    return body


def _checksum(body: bytes) -> str:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).hexdigest()
