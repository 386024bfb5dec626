"""Which ports the parts of a local stack listen on. Opens sockets only to learn whether a port is free."""

import errno
import socket
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from local.errors import PortError

HOST: Final = "127.0.0.1"
"""Where everything listens: a local stack is for this machine only."""

REDIRECTOR_PORT: Final = 8080
AGGREGATOR_PORT: Final = 8081
REDIRECTOR_MANAGEMENT_PORT: Final = 9080
AGGREGATOR_MANAGEMENT_PORT: Final = 9081


@dataclass(frozen=True, slots=True)
class AskedPorts:
    """The ports a person asked for. 0 is any free one; None is the default, or any free one where it is taken."""

    redirector: int = REDIRECTOR_PORT
    aggregator: int = AGGREGATOR_PORT
    redirector_management: int | None = None
    aggregator_management: int | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports as they are."""

    redirector: int
    aggregator: int
    redirector_management: int
    aggregator_management: int

    @property
    def taken(self) -> frozenset[int]:
        """All of them."""
        return frozenset((self.redirector, self.aggregator, self.redirector_management, self.aggregator_management))


def choose_ports(asked: AskedPorts) -> Ports:
    """Ports that are free now, all different.

    Raises:
        PortError: one that was asked for is not free, or was asked for twice.
    """
    taken: set[int] = set()
    # What was asked for goes first, so that no free pick takes it.
    fixed = {
        "--redirector-port": asked.redirector,
        "--aggregator-port": asked.aggregator,
        "--redirector-management-port": asked.redirector_management or 0,
        "--aggregator-management-port": asked.aggregator_management or 0,
    }
    for flag, port in fixed.items():
        if port:
            _claim(port, flag, taken)
    return Ports(
        asked.redirector or free_port(taken),
        asked.aggregator or free_port(taken),
        _management_port(asked.redirector_management, REDIRECTOR_MANAGEMENT_PORT, taken),
        _management_port(asked.aggregator_management, AGGREGATOR_MANAGEMENT_PORT, taken),
    )


def free_port(taken: set[int]) -> int:
    """A port nobody listens on and that is not in `taken`; it is added there."""
    while True:
        with closing(socket.socket()) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            taken.add(port)
            return port


def is_free(port: int, taken: Collection[int] = ()) -> bool:
    """Whether `port` can be listened on and is not in `taken`."""
    return port not in taken and _listen_error(port) is None


def _management_port(asked: int | None, default: int, taken: set[int]) -> int:
    if asked:
        return asked
    if asked is None and is_free(default, taken):
        taken.add(default)
        return default
    return free_port(taken)


def _claim(port: int, flag: str, taken: set[int]) -> None:
    if port in taken:
        raise PortError(f"Port {port} was asked for twice; choose another with {flag}.")
    error = _listen_error(port)
    if error is not None and error.errno == errno.EADDRINUSE:
        raise PortError(f"Port {port} is already in use; free it or choose another with {flag}.")
    if error is not None:
        raise PortError(f"Port {port} cannot be used ({error.strerror}); choose another with {flag}.")
    taken.add(port)


def _listen_error(port: int) -> OSError | None:
    with closing(socket.socket()) as probe:
        # As servers do: connections of a server that just ended do not hold its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            return error
    return None
