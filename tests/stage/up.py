"""`advolink up` as a person runs it: a process, its terminal, its data directory."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from stage.ordinary_user import OrdinaryUser
from stage.postgres import gone_afterwards
from stage.waiting import eventually

ANY_PORTS: Final = (
    "--redirector-port=0",
    "--aggregator-port=0",
    "--redirector-management-port=0",
    "--aggregator-management-port=0",
)
"""Many stacks may run on this machine."""

UP_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 30
"""What `up` promises (DESIGN §14)."""


class Up:
    """One `advolink up`."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes], terminal: Path) -> None:
        self.directory = directory
        self.process = process
        self._terminal = terminal

    @property
    def content(self) -> dict[str, Any]:
        """What up.json says now."""
        content: dict[str, Any] = orjson.loads((self.directory / "up.json").read_bytes())
        return content

    @property
    def pids(self) -> dict[str, int]:
        """The pids up.json says now."""
        pids: dict[str, int] = self.content["pids"]
        return pids

    @property
    def said(self) -> str:
        """Everything it wrote to its terminal."""
        return self._terminal.read_text(encoding="utf-8")

    def until_up(self) -> None:
        """Wait until up.json is there. Fails at once where `up` has ended instead."""
        eventually(self._is_up, seconds_max=UP_SECONDS_MAX, what="up.json is written")

    def until_ended(self) -> int:
        """Wait for its end, and return its exit status."""
        return self.process.wait(timeout=UP_SECONDS_MAX + STOP_SECONDS_MAX)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a person does; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS_MAX)

    def log(self, name: str) -> str:
        """What the log of `name` holds; nothing where there is none."""
        path = self.directory / "logs" / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _is_up(self) -> bool:
        status = self.process.poll()
        if status is not None:
            raise RuntimeError(f"`up` ended with status {status}; it said:\n{self.said}")
        # Not the up.json of an earlier run that was killed.
        return (self.directory / "up.json").exists() and self.pids["up"] == self.process.pid


@contextmanager
def started_up(
    directory: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    user: OrdinaryUser | None = None,
) -> Iterator[Up]:
    """`advolink up --data-dir DIRECTORY` for the length of the block, as `user` if one is named.

    Ports are free ones unless `arguments` say otherwise. Where the block ends, it is stopped if it still runs.
    """
    terminal = directory.with_name(f"{directory.name}.terminal")
    python = user.python if user else sys.executable
    command = [python, "-m", "advolink", "up", "--data-dir", str(directory), *ANY_PORTS, *arguments]
    with terminal.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**(user.environment if user else os.environ), **(environment or {})},
            cwd=directory.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **(user.become if user else {}),
        )
    up = Up(directory, process, terminal)
    try:
        yield up
    finally:
        if process.poll() is None:
            _end(process)


@contextmanager
def data_directory(folder: Path) -> Iterator[Path]:
    """A path for a data directory in `folder`; for several `up`, one after the other."""
    path = folder / "data"
    with gone_afterwards(path):
        yield path
    shutil.rmtree(path, ignore_errors=True)


def is_running(pid: int) -> bool:
    """Whether there is a process `pid` that is not a corpse."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
