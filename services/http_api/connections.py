"""What the connections of one server share: how many there may be, how long one may be idle, and whether it stops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from uvicorn.server import ServerState

CONNECTIONS_MAX: Final = 10_000
"""Some 100 MB of them, and far more than a process has requests for."""

IDLE_SECONDS: Final = 75
"""Longer than load balancers keep a connection for another request (60 s is usual), so that it is they who close."""


def _count_none() -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many there may be, and for how long one may be without a request.

    At `connections_max` a further one is answered 503 and closed, and `refused` called.
    """

    connections_max: int = CONNECTIONS_MAX
    idle_seconds: int = IDLE_SECONDS
    refused: Callable[[], None] = _count_none


class Connections(ServerState):
    """The open connections of one server. Once it `is_stopping`, the next answer on each is the last."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self.is_stopping = False
        self.being_refused = 0

    def __len__(self) -> int:
        return len(self.connections)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another one."""
        return len(self.connections) >= self.limits.connections_max
