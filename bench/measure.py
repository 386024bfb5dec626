"""Measuring servers from outside: processor time of their processes, requests per second by wrk."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LATENCY_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What wrk is to do."""

    url: str
    script: Path
    seconds: int
    connections: int
    cpu: int


@dataclass(frozen=True)
class LoadResult:
    """What came of it. `cpu_us` is the server's processor time per request, all its processes together."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    cpu_us: float


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
    before = cpu_seconds(server_pids)
    command = ["taskset", "-c", str(load.cpu), "wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--latency"]
    command += ["-s", str(load.script), load.url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(server_pids) - before
    requests = int(_found(r"(\d+) requests in", said))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return LoadResult(
        requests=requests,
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=_latency_ms("50", said),
        p99_ms=_latency_ms("99", said),
        refused=int(refused[1]) if refused else 0,
        cpu_us=used / requests * 1e6,
    )


def _latency_ms(percent: str, said: str) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", said)
    return float(found[1]) * LATENCY_UNITS_MS[found[2]] if found else float("nan")


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise ValueError(f"wrk said nothing like {pattern!r}:\n{said}")
    return found[1]


def _cpu_ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:15])) if fields else 0


def _stat(path: Path) -> list[str]:
    """The fields of a stat file after the program's name; none where the process has gone."""
    try:
        return path.read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
