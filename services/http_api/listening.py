"""Where a server listens: a TCP port, alone or together with other processes, or a private Unix socket."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class CannotListenError(Exception):
    """The place is taken, or may not be had. The message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A port. One that `is_shared` belongs to several processes, and the kernel deals connections out among them."""

    host: str
    port: int
    is_shared: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Address = TcpAddress | Path


def listening_sockets(address: Address) -> list[socket.socket]:
    """Sockets bound to `address`: one, or one for each address that a host name stands for.

    Raises:
        CannotListenError: it cannot be had.
    """
    try:
        return [_unix(address)] if isinstance(address, Path) else list(_tcp(address))
    except socket.gaierror as error:
        raise CannotListenError(f"{address} cannot be listened on: {error.strerror}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListenError(f"{address} is already in use by another process.") from error
        raise CannotListenError(f"{address} cannot be listened on: {error.strerror}.") from error


def claim(address: TcpAddress) -> None:
    """See that nobody listens on `address` before several processes share it: the kernel would let them join in.

    Raises:
        CannotListenError: somebody does.
    """
    for one in listening_sockets(TcpAddress(address.host, address.port)):
        one.close()


def _tcp(address: TcpAddress) -> Iterator[socket.socket]:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, place in dict.fromkeys(found):
        bound = socket.socket(family, kind, protocol)
        try:
            # Connections of a server that has just ended do not hold its port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.is_shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(place)
        except BaseException:
            bound.close()
            raise
        yield bound


def _unix(path: Path) -> socket.socket:
    """A socket of this path, which is taken from whoever was there before: one that has died leaves its file."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    return bound
