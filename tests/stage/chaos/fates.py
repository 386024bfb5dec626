"""What became of each request of the load, kept on disk from the moment it is known.

Each worker of the load (stage.chaos.load) has a file of its own and writes a request's fate there before it sends the
next one; so a fate is known whatever becomes of anybody.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final, NewType, Self

RequestId = NewType("RequestId", str)
"""What a request's click, conversion or reversal is found by: a word in the user agent, or what it is called."""

NO_STATUS: Final = 0
PATTERN: Final = "*.fates"


class Fate(StrEnum):
    """What a client knows of its request."""

    ACCEPTED = "accepted"
    """It was redirected, or taken: its event must be kept, once."""
    REFUSED = "refused"
    """It was answered otherwise, or never sent: there must be no event of it."""
    UNKNOWN = "unknown"
    """It was sent and no answer was seen: there may be an event of it, at most one."""


@dataclass(frozen=True, slots=True)
class Told:
    """One request. Instants are of the machine's monotonic clock, which all processes share."""

    request: RequestId
    fate: Fate
    status: int
    started_s: float
    ended_s: float

    @property
    def waited_s(self) -> float:
        """How long the client waited."""
        return self.ended_s - self.started_s

    def line(self) -> bytes:
        """As it is written down."""
        return f"{self.request} {self.fate} {self.status} {self.started_s:.6f} {self.ended_s:.6f}\n".encode()

    @classmethod
    def of(cls, line: str) -> Self:
        """As it was written down."""
        request, fate, status, started_s, ended_s = line.split()
        return cls(RequestId(request), Fate(fate), int(status), float(started_s), float(ended_s))


class FateFile:
    """Where one worker writes."""

    def __init__(self, directory: Path, worker: int) -> None:
        path = directory / PATTERN.replace("*", f"{worker:03}")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, told: Told) -> None:
        """Written when this returns: it survives whatever happens to the process."""
        line = told.line()
        if os.write(self._descriptor, line) != len(line):
            raise OSError(f"the fate of {told.request} cannot be written down")


@dataclass(slots=True)
class FateReader:
    """Reads the files of all workers, on from where it last stood, while they are written."""

    directory: Path
    _read_bytes: Counter[Path] = field(default_factory=Counter)

    def new(self) -> Sequence[Told]:
        """What was written since this was last asked."""
        return [told for path in sorted(self.directory.glob(PATTERN)) for told in self._read_on(path)]

    def _read_on(self, path: Path) -> Iterator[Told]:
        with path.open("rb") as file:
            file.seek(self._read_bytes[path])
            data = file.read()
        whole, _, _ = data.rpartition(b"\n")
        if whole:
            self._read_bytes[path] += len(whole) + 1
            yield from map(Told.of, whole.decode().split("\n"))


def fate_of(status: int) -> Fate:
    """What a complete answer says: a redirect to a click, and `received` to what is reported."""
    return Fate.ACCEPTED if status in (HTTPStatus.FOUND, HTTPStatus.ACCEPTED) else Fate.REFUSED
