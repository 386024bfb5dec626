"""Ports are free, all different, and what was asked for is had or refused in one sentence."""

import socket
from collections.abc import Iterator

import pytest

from local import ports
from local.errors import PortError
from local.ports import HOST, AskedPorts, choose_ports, is_free


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_zero_is_any_free_port() -> None:
    chosen = choose_ports(AskedPorts(0, 0, 0, 0))
    assert len(chosen.taken) == 4
    assert all(map(is_free, chosen.taken))


def test_a_busy_port_is_refused_with_the_flag_that_chooses_another(busy_port: int) -> None:
    with pytest.raises(PortError, match=f"Port {busy_port} is already in use; .* --aggregator-port"):
        choose_ports(AskedPorts(0, busy_port))


def test_a_port_that_was_asked_for_twice_is_refused(busy_port: int) -> None:
    free = choose_ports(AskedPorts(0, 0)).redirector
    with pytest.raises(PortError, match=f"Port {free} was asked for twice"):
        choose_ports(AskedPorts(free, free))


def test_a_busy_management_port_that_was_asked_for_is_refused(busy_port: int) -> None:
    with pytest.raises(PortError, match="--redirector-management-port"):
        choose_ports(AskedPorts(0, 0, busy_port))


def test_a_busy_default_management_port_gives_way(busy_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "REDIRECTOR_MANAGEMENT_PORT", busy_port)
    assert choose_ports(AskedPorts(0, 0)).redirector_management != busy_port


def test_a_free_default_management_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    free = choose_ports(AskedPorts(0, 0)).redirector
    monkeypatch.setattr(ports, "AGGREGATOR_MANAGEMENT_PORT", free)
    assert choose_ports(AskedPorts(0, 0)).aggregator_management == free


def test_a_port_whose_last_connection_just_ended_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection((HOST, port)):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    assert is_free(port)
