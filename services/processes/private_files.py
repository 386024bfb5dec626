"""Files and directories that only their owner can read: keys, passwords, addresses."""

import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE_DIRECTORY: Final = 0o700
PRIVATE_FILE: Final = 0o600


def make_private_directory(path: Path) -> None:
    """Make `path` if it is missing, closed to others whatever the umask."""
    if not path.is_dir():
        path.mkdir(mode=PRIVATE_DIRECTORY)
        path.chmod(PRIVATE_DIRECTORY)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step: a reader sees the old or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_private(path: Path) -> str | None:
    """What `path` holds, without surrounding blanks; None where it is missing or empty."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
