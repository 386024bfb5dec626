"""What is kept running: a command, whose rights it runs with, how it is stopped, where its output goes."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

_LEASH: Final = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, slots=True)
class Account:
    """A user to become."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running.

    `stop_signal` asks it to end, `stop_deadline` is how long it may take before it is killed. `death_signal` is
    what it gets from the kernel when this process is killed.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    """Where its output is appended; None: where this process's goes."""
    stop_deadline: timedelta
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    working_directory: Path | None = None
    """Where it starts; None: where this process is."""
    is_foundation: bool = False
    """Others stand on it: it is stopped when they have ended, together with all that are like it."""

    def leashed_command(self) -> list[str]:
        """The command as it is started: it dies with this process and runs as `account`."""
        return leashed(self.command, account=self.account, death_signal=self.death_signal)


def leashed(
    command: Sequence[str],
    *,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> list[str]:
    """`command`, made to die with this process and to run as `account` (None: as this process does)."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    numbers = [os.getpid(), death_signal.value, uid, gid]
    return [sys.executable, "-I", "-S", str(_LEASH), *map(str, numbers), *command]


def own_command() -> list[str]:
    """How this process was started, word for word."""
    return [sys.executable, *sys.orig_argv[1:]]
