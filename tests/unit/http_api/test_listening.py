"""Where servers listen: alone, together, or in a private place; what is taken is named."""

import socket
from pathlib import Path

import pytest

from http_api.listening import CannotListenError, TcpAddress, claim, listening_sockets
from stage.ports import free_port

HERE = "127.0.0.1"


def listening(address: TcpAddress | Path) -> socket.socket:
    """The one socket of an address, listening."""
    (one,) = listening_sockets(address)
    one.listen()
    return one


def test_a_port_that_is_taken_is_named() -> None:
    address = TcpAddress(HERE, free_port())
    with (
        listening(address),
        pytest.raises(CannotListenError, match=rf"127\.0\.0\.1:{address.port} is already in use by another process\."),
    ):
        listening_sockets(address)


def test_a_shared_port_is_listened_on_by_several() -> None:
    address = TcpAddress(HERE, free_port(), is_shared=True)
    with listening(address), listening(address):
        pass


def test_a_port_that_others_share_cannot_be_claimed() -> None:
    """The kernel would let a second redirector join in, and each would have half of the other's requests."""
    address = TcpAddress(HERE, free_port(), is_shared=True)
    with listening(address), pytest.raises(CannotListenError, match="already in use"):
        claim(address)
    claim(address)


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(CannotListenError, match=r"192\.0\.2\.1:8080 cannot be listened on: Cannot assign"):
        listening_sockets(TcpAddress("192.0.2.1", 8080))


def test_a_host_name_is_listened_on_wherever_it_leads() -> None:
    sockets = listening_sockets(TcpAddress("localhost", free_port()))
    assert sockets
    for one in sockets:
        one.close()


def test_a_private_place_is_taken_over_from_one_that_died(tmp_path: Path) -> None:
    """A process that is killed leaves the file of its socket behind."""
    place = tmp_path / "socket"
    with listening(place), listening(place), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place))
