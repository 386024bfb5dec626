"""What an earlier `up` that was killed may have left: a server that still runs, or a pid file of one that does not.

Reads the server's postmaster.pid; stops the server or removes the file. Only for a data directory whose lock is
held: what runs there then is nobody's.
"""

import os
import subprocess
from pathlib import Path
from typing import Final

from local.errors import PostgresError
from local.postgres.binaries import Binaries
from local.postgres.home import Home
from processes.programs import leashed

STOP_SECONDS_MAX: Final = 10
"""How long a server may take to stop, first with a checkpoint, then at once."""


def clear_leftover(home: Home, binaries: Binaries) -> None:
    """Leave `home` with no server that runs and no pid file that keeps a new one from starting.

    Raises:
        PostgresError: a server of an earlier `up` would not stop.
    """
    pid = _postmaster_pid(home.data)
    if pid is None or not _is_alive(pid):
        return  # Postgres itself tells a stale pid file of a dead process
    if not _works_in(pid, home.data):
        # The number went to another process, or to a corpse nobody collects. Postgres would wait for it for ever.
        (home.data / "postmaster.pid").unlink()
        return
    for mode in ("fast", "immediate"):
        if _stop(home, binaries, mode):
            return
    raise PostgresError(f"A Postgres of an earlier `advolink up` (pid {pid}) does not stop; end it by hand.")


def _postmaster_pid(data: Path) -> int | None:
    try:
        first_line = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.strip().isdecimal() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _works_in(pid: int, data: Path) -> bool:
    """Whether `pid` is the server of `data`: a server works in its data directory all its life."""
    if not Path("/proc/self").exists():
        return True  # cannot be told; the pid file is believed
    try:
        return Path(f"/proc/{pid}/cwd").readlink().samefile(data)
    except OSError:
        return False


def _stop(home: Home, binaries: Binaries, mode: str) -> bool:
    command = [binaries.command("pg_ctl"), "stop", "-D", str(home.data), "-m", mode]
    command += ["-w", "-t", str(STOP_SECONDS_MAX)]
    done = subprocess.run(  # noqa: S603 - our own command
        leashed(command, account=home.account), check=False, capture_output=True, cwd="/"
    )
    return done.returncode == 0
