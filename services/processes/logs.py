"""Log files of children, kept small: D/logs/<name>.log and, once that is full, the part before it in <name>.log.1."""

import os
import shutil
from collections import deque
from pathlib import Path
from typing import Final

from processes.private_files import PRIVATE_FILE

LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""A file this long is set aside; there is one such file of each child, so that logs stay under 32 MiB a child."""

TAIL_LINES: Final = 20


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, which only its owner can read."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)


def bound_log(path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Set a full log aside. Its writer goes on in the emptied file; a line written in between may be lost."""
    if path.exists() and path.stat().st_size > bytes_max:
        shutil.copy(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of `path`, nothing where it is missing."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, maxlen=lines)).rstrip()
    except FileNotFoundError:
        return ""
