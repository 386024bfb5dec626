"""What an earlier `up` that was killed may have left: a broker that still runs.

Asks the kernel who holds the lock that a broker keeps on its data, so that nobody else is ever taken for it, and ends
that process. Only for data whose home is locked: what runs there then is nobody's.
"""

import fcntl
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Final

from local.errors import KafkaError

STOP_SECONDS_MAX: Final = 10
"""How long a broker may take to stop, first cleanly, then killed."""

POLL_SECONDS: Final = 0.1

_LINUX: Final = "hhqqi"
_BSD: Final = "qqihh"
"""struct flock, without the padding at its end: type, whence, start, length, pid; on macOS the first two come last."""


def clear_leftover(data: Path) -> None:
    """Leave `data` with no broker that runs on it.

    Raises:
        KafkaError: the broker of an earlier `up` would not stop.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = holder_of(data / ".lock")
        if pid is None or _ended(pid, data, number):
            return
    raise KafkaError(f"A Kafka of an earlier `advolink up` (pid {pid}) does not stop; end it by hand.")


def holder_of(lock: Path) -> int | None:
    """The process that holds the POSIX lock on the file `lock`; None where nobody does."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if sys.platform == "linux":
            asked = struct.pack(_LINUX, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack_from(_LINUX, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked + bytes(8)))
        else:
            asked = struct.pack(_BSD, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
            _, _, pid, kind, _ = struct.unpack_from(_BSD, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked + bytes(8)))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)


def _ended(pid: int, data: Path, number: signal.Signals) -> bool:
    """Send `number` to the broker, and say whether it let go of its data and was gone in time."""
    if pid > 0:  # 0: it runs where its number means nothing to us, as in another container
        os.kill(pid, number)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while time.monotonic() < deadline:
        if holder_of(data / ".lock") is None and not _is_alive(pid):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _is_alive(pid: int) -> bool:
    """Whether it still runs, and perhaps listens. A corpse that nobody collects does neither."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        pass  # ended, or a system without /proc, where letting go of the data has to do
    return False
