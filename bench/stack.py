"""What is measured: a real Postgres and our services as processes, each on the core it is given."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from stage.ports import free_port

SERVER_CPU, LOAD_CPU = 0, 1
READY_SECONDS_MAX = 60.0


@contextmanager
def service(name: str, directory: Path, dsn: str, settings: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """`python -m NAME` on the server's core until the block ends: its URL and its pid, once it is ready."""
    port, management = free_port(), free_port()
    prefix = f"ADVOLINK_{name.upper()}_"
    environment = {
        **os.environ,
        "ADVOLINK_POSTGRES_DSN": dsn,
        f"{prefix}PORT": str(port),
        f"{prefix}MANAGEMENT_PORT": str(management),
        **{f"{prefix}{key}": value for key, value in settings.items()},
    }
    with (
        (directory / f"{name}.log").open("ab") as log,
        _on_core([sys.executable, "-m", name], environment, log.fileno()) as pid,
    ):
        _until_answers(f"http://127.0.0.1:{management}/readyz")
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def plain_fastapi(codes: Path) -> Iterator[tuple[str, int]]:
    """The yardstick on the server's core."""
    port = free_port()
    script = Path(__file__).with_name("plain_fastapi.py")
    command = [sys.executable, str(script), str(codes), str(port)]
    with _on_core(command, dict(os.environ), subprocess.DEVNULL) as pid:
        _until_answers(f"http://127.0.0.1:{port}/{codes.read_text(encoding='utf-8').split()[0]}")
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def _on_core(command: list[str], environment: Mapping[str, str], output: int) -> Iterator[int]:
    pinned = ["taskset", "-c", str(SERVER_CPU), *command]
    process = subprocess.Popen(pinned, env=dict(environment), stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _until_answers(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if httpx2.get(url, timeout=2, follow_redirects=False).status_code < 400:  # noqa: PLR2004 - 2xx or 3xx
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer")
