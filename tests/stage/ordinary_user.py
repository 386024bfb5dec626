"""Somebody who is not root, and a copy of the project that they can read.

Many machines run tests as root, below a home that is closed to others.
"""

import os
import pwd
import shutil
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from local.postgres.account import is_root
from stage.requirements import REPOSITORY

NAME: Final = "nobody"


@dataclass(frozen=True)
class OrdinaryUser:
    """How to run the project's Python as that user: a program, its environment, and whom to become."""

    python: str
    environment: Mapping[str, str]
    become: Mapping[str, Any]
    folder: Path
    """Theirs to write in."""


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser]:
    """A user without rights, for the length of the block: whoever runs the tests, unless that is root."""
    if not is_root():
        with tempfile.TemporaryDirectory(prefix="advolink-") as folder:
            yield OrdinaryUser(sys.executable, dict(os.environ), {}, Path(folder))
        return
    user = pwd.getpwnam(NAME)
    with tempfile.TemporaryDirectory(prefix="advolink-") as folder:
        copy, own = Path(folder, "project"), Path(folder, "own")
        Path(folder).chmod(0o755)
        _copy_project(copy)
        own.mkdir(mode=0o700)
        os.chown(own, user.pw_uid, user.pw_gid)
        path = os.pathsep.join(map(str, (copy / "services", copy / "tests", copy / "site-packages")))
        environment = {"PATH": os.environ["PATH"], "HOME": str(own), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        become = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        yield OrdinaryUser(_python_outside(), environment, become, own)


def _copy_project(copy: Path) -> None:
    copy.mkdir(mode=0o755)
    for name in ("services", "schemas", "tests"):
        shutil.copytree(REPOSITORY / name, copy / name, copy_function=_link)
    shutil.copytree(site.getsitepackages()[0], copy / "site-packages", copy_function=_link, symlinks=True)


def _link(source: str, target: str) -> str:
    """A hard link costs nothing; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _python_outside() -> str:
    """The Python that made this virtual environment, if others can run it."""
    python = Path(sysconfig.get_config_var("BINDIR"), f"python{sysconfig.get_python_version()}").resolve()
    if any(not parent.stat().st_mode & 0o001 for parent in python.parents):
        pytest.skip(f"{python} can be run by root only, so that no ordinary user can run the project")
    return str(python)
