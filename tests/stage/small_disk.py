"""A disk that is really full: a small tmpfs of the test's own. Needs root; without it, tests skip and say so."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

PAGE_BYTES: Final = 4096


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of `size_bytes` at `place`, for the length of the block."""
    place.mkdir()
    options = f"size={size_bytes},mode=0777"
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "advolink-test", place], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no `mount`, hence no disk to fill")
    if mounted.returncode:
        pytest.skip(f"no disk to fill can be mounted (root may): {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def fill(disk: Path) -> Path:
    """Take every byte that is left on `disk`; the file that holds them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while free := free_bytes(disk):
            file.write(bytes(free))
    return filler


def free_bytes(disk: Path) -> int:
    """What is left on `disk`."""
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize
