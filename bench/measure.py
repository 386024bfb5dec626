"""Measuring servers from outside: processor time of their processes, requests per second by wrk."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from stage.requirements import Requirement, need

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
TIMEOUT_S: Final = 20
"""How late an answer may be; a shared machine holds its programs up now and then."""

SCRIPT: Final = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Load:
    """What wrk is to do, on the core `cpu`: send what is in the file `requests` over so many connections.

    `pause_ms` is how long each of them waits between two.
    """

    url: str
    requests: Path
    seconds: int
    connections: int
    cpu: int
    pause_ms: int | None = None


@dataclass(frozen=True)
class LoadResult:
    """What came of it.

    `refused` were answered with an error, `broken` not at all. `cpu_us` is the server's processor time per request, all
    its processes together; `load_busy` how much of its core wrk itself used, from 0 to 1.
    """

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int
    cpu_us: float
    load_busy: float


def need_wrk() -> None:
    """Go on where there is a wrk; skip, or fail where it is required."""
    need(Requirement.WRK, present=shutil.which("wrk") is not None, reason="there is no wrk (Debian: wrk)")


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that processes have used, those of their ended children included."""
    return sum(_cpu_ticks(pid) for pid in pids) / TICKS_PER_SECOND


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(path)
        if fields and int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def put_under_load(load: Load, server_pids: Sequence[int]) -> LoadResult:
    """Run wrk against a server and say what both did."""
    environment = {**os.environ, "ADVOLINK_BENCH_REQUESTS": str(load.requests)}
    if load.pause_ms is not None:
        environment["ADVOLINK_BENCH_PAUSE_MS"] = str(load.pause_ms)
    command = ["taskset", "-c", str(load.cpu), "wrk", "-t1", f"-c{load.connections}"]
    command += [f"-d{load.seconds}s", f"--timeout={TIMEOUT_S}s", "-s", str(SCRIPT), load.url]
    before = cpu_seconds(server_pids)
    said = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    used_s = cpu_seconds(server_pids) - before
    figures = orjson.loads(said.splitlines()[-1])
    return LoadResult(
        requests=figures["requests"],
        per_second=figures["requests"] / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        refused=figures["refused"],
        broken=figures["broken"],
        cpu_us=used_s / figures["requests"] * 1e6,
        load_busy=figures["cpu_s"] / figures["seconds"],
    )


def _cpu_ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:15])) if fields else 0


def _stat(path: Path) -> list[str]:
    """The fields of a stat file after the program's name; none where the process has gone."""
    try:
        return path.read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
