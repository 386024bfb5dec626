"""The limit of file descriptors is raised as far as connections need, and what does not fit is said."""

import resource
from collections.abc import Callable

import pytest

from http_api.descriptors import DESCRIPTORS_BESIDE, connections_that_fit

Limits = tuple[int, int]
SetLimits = Callable[[Limits], None]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """The limits of a process, soft and hard, the last of the list."""
    known: list[Limits] = [(1024, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: known[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: known.append(limit))
    return known


def test_the_soft_limit_is_raised_as_far_as_needed_and_no_further(limits: list[Limits]) -> None:
    limits[:] = [(1024, 1_048_576)]
    assert connections_that_fit(10_000) == 10_000
    assert limits[-1] == (10_000 + DESCRIPTORS_BESIDE, 1_048_576)


def test_a_limit_that_is_high_enough_is_left_alone(limits: list[Limits]) -> None:
    for high in (1_048_576, resource.RLIM_INFINITY):
        limits[:] = [(high, high)]
        assert connections_that_fit(10_000) == 10_000
        assert len(limits) == 1


def test_where_the_system_allows_no_more_there_are_fewer_connections_and_it_is_said(
    limits: list[Limits], caplog: pytest.LogCaptureFixture
) -> None:
    limits[:] = [(1024, 4096)]
    assert connections_that_fit(10_000) == 4096 - DESCRIPTORS_BESIDE
    assert limits[-1] == (4096, 4096)
    assert "10000 connections at once need 10512 file descriptors, and the hard limit is 4096" in caplog.text


def test_there_is_always_room_for_one(limits: list[Limits]) -> None:
    limits[:] = [(256, 256)]
    assert connections_that_fit(10_000) == 1
