"""One owner at a time: a lock file held by flock, which the kernel lets go of however its owner ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.errors import DataDirectoryError
from processes.private_files import PRIVATE_FILE


class LockTakenError(Exception):
    """Another process holds the lock; it says which, where that is known."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block. Children do not inherit it.

    Raises:
        DataDirectoryError: another process holds it; the message names `what` is held and by whom.
    """
    with ExitStack() as held:
        try:
            held.enter_context(taken(path))
        except LockTakenError as error:
            raise DataDirectoryError(
                f"{what} is in use by another `advolink up` (pid {error}); stop that one or choose another --data-dir."
            ) from error
        yield


@contextmanager
def taken(path: Path) -> Iterator[None]:
    """The same, for a lock that is worth waiting for.

    Raises:
        LockTakenError: another process holds it now.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockTakenError(os.read(descriptor, 20).decode(errors="replace").strip()) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
