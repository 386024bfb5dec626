"""A redirector as it runs in earnest: a process of its own, its ports, its log, and the signals that end it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2

from stage.ports import free_port
from stage.waiting import eventually

STOP_SECONDS_MAX: Final = 20


class RedirectorProcess:
    """One `python -m redirector`."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, management_port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.management_port = management_port
        self._log = log

    @property
    def url(self) -> str:
        """The public port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def management_url(self) -> str:
        """The management port."""
        return f"http://127.0.0.1:{self.management_port}"

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def until_ready(self) -> None:
        """Wait until it is ready, knows Postgres and signs. Fails at once where it has ended instead."""
        eventually(self._is_ready, seconds_max=30, what="the redirector is ready")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS_MAX)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes, and return all that comes until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        return answer

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the redirector ended with status {self.process.returncode}; it said:\n{self.said}")
        try:
            told = httpx2.get(f"{self.management_url}/readyz", timeout=5).json()
        except httpx2.TransportError:
            return False
        return bool(told["ready"] and told["known"]["postgres"] and told["known"]["signing_key"])


@contextmanager
def redirector_process(dsn: str, journals: Path, **settings: str) -> Iterator[RedirectorProcess]:
    """A redirector for the length of the block."""
    port, management_port = free_port(), free_port()
    chosen = {
        "journal_dir": str(journals),
        "port": str(port),
        "management_port": str(management_port),
        "public_url": "https://go.example.com",
        **settings,
    }
    environment = {
        name if name.startswith("ADVOLINK_") else f"ADVOLINK_REDIRECTOR_{name.upper()}": value
        for name, value in chosen.items()
    }
    log = journals.with_name(f"redirector-{port}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "redirector"],
            env={**os.environ, "ADVOLINK_POSTGRES_DSN": dsn, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield RedirectorProcess(process, port, management_port, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
