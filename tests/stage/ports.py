"""Ports for servers that tests start.

They lie below those that the kernel gives to clients and to whoever asks for any port (32768 and up, where nobody
changed that): between choosing a port and listening on it there may be seconds, and thousands of connections.
"""

import errno
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from local.ports import HOST

PORTS: Final = range(10_000, 32_000)


def free_port() -> int:
    """A port nobody listens on now."""
    with reserved_port() as port:
        return port


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for somebody to listen on later, and again after they have died.

    It is bound without listening, so that nobody else is given it as a free one. The choice is left to chance, and not
    to that of a seeded test: sessions beside each other choose different ones.
    """
    chance = random.SystemRandom()
    while True:
        with socket.socket() as holder:
            try:
                holder.bind((HOST, chance.choice(PORTS)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            # From here on, not before: it would let us have a port that somebody else holds in this way.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            yield holder.getsockname()[1]
            return
