"""Ports for servers that tests start."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from local.ports import HOST


def free_port() -> int:
    """A port nobody listens on now."""
    with reserved_port() as port:
        return port


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for somebody to listen on later, and again after they have died.

    It is bound without listening, so that nobody else is given it as a free one, as server or as client.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]
