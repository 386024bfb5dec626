"""On what it was measured: processors, the Python and its build, libraries and yardsticks, each by its version."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from candidates import OTHER_PYTHON, SEARCHED
from stage.requirements import REPOSITORY

LIBRARIES: Final = ("fastapi", "uvicorn", "uvloop", "httptools", "aiokafka", "asyncpg", "orjson")
PROGRAMS: Final = (("nginx", "-v"), ("go", "version"), ("wrk", "-v"))
_VERSION: Final = re.compile(r"\d+\.\d+[\d.]*")


def machine() -> str:
    """One line."""
    cpus = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    processors = f"{len(cpus)} x {cpus[0]}" if cpus else platform.machine()
    pythons = [python_build(sys.executable)]
    if other := os.environ.get(OTHER_PYTHON):
        pythons.append(f"the other Python is {python_build(other)}")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    programs = ", ".join(filter(None, (_program(*program) for program in PROGRAMS)))
    return "; ".join((processors, *pythons, libraries, programs))


def python_build(python: str) -> str:
    """A Python's version, how it was built, as tools/find-python tells it, and the compiler."""
    found = subprocess.run(
        ["sh", REPOSITORY / "tools" / "find-python", python], capture_output=True, text=True, check=True
    )
    kind = re.search(r"an optimised build|a plain build", found.stderr)
    asked = "import platform; print(platform.python_version(), platform.python_compiler(), sep='|')"
    said = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    number, _, compiler = said.partition("|")
    return f"CPython {number}, {kind[0] if kind else 'a build unknown'} ({compiler})"


def _program(name: str, option: str) -> str | None:
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        return None
    # wrk calls it a failure to be asked, and nginx answers on stderr.
    ran = subprocess.run([path, option], capture_output=True, text=True, check=False)
    found = _VERSION.search(ran.stdout + ran.stderr)
    return f"{name} {found[0]}" if found else name
