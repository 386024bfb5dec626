"""Why Kafka cannot be reached, as far as its client knows.

The client tells a refused password, an expired certificate and a closed port apart in its log alone; what it raises
afterwards is the same for all of them. It logs the same several times a second while a broker is away. So its log goes
nowhere, and its last explanation is kept for whoever waits for Kafka, who says it once.
"""

import logging
import time
from typing import Final

CONNECTING: Final = "aiokafka"
"""The logger of what makes connections. All others of the client are below it."""


class _LastExplanation(logging.Handler):
    """Keeps what the latest record says that is about an address, or a node, and an error."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, if it is such a record. An error is not kept: it would hold on to all that it came from."""
        match record.args:
            case (host, port, BaseException() as error) if record.name == CONNECTING:
                self.at_s, self.said = time.monotonic(), f"{host}:{port}: {named(error)}"
            case (node, BaseException() as error) if record.name == CONNECTING:
                self.at_s, self.said = time.monotonic(), f"broker {node}: {named(error)}"


_last: Final = _LastExplanation()


def listen_to_client() -> None:
    """Take what the client logs from here on; it is printed nowhere else."""
    everything = logging.getLogger(CONNECTING)
    everything.setLevel(logging.WARNING)
    everything.propagate = False
    everything.addHandler(_last)


def explained_since(began_s: float) -> str:
    """The client's last explanation, if it is no older than `began_s` (time.monotonic()); else nothing."""
    return _last.said if _last.at_s >= began_s else ""


def named(error: BaseException) -> str:
    """What an error says, and its name too: many of them say nothing."""
    said = str(error)
    name = type(error).__name__
    return said if name in said else f"{name}: {said}" if said else name
