"""What is asked for is limited for each network, evenly, and what is remembered of networks is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.network_limits import LimitPolicy, NetworkLimits

NOW_S = 1_000_000.0


def admitted(limits: NetworkLimits, network: str | None, at_s: list[float]) -> int:
    return sum(limits.admit(network, now_s) for now_s in at_s)


def test_a_burst_and_then_an_even_rate() -> None:
    """Sixty a minute after five at once: one a second."""
    limits = NetworkLimits(per_minute=60, burst=5)
    assert admitted(limits, "a", [NOW_S] * 50) == 5
    assert admitted(limits, "a", [NOW_S + 0.5] * 50) == 0
    assert [admitted(limits, "a", [NOW_S + second] * 50) for second in (1, 2, 3)] == [1, 1, 1]
    assert admitted(limits, "a", [NOW_S + 1_000] * 50) == 5


def test_asking_while_limited_costs_nothing() -> None:
    """Whoever waits as they were told gets through, however often they asked before."""
    limits = NetworkLimits(per_minute=60, burst=1)
    assert admitted(limits, "a", [NOW_S] * 1_000) == 1
    assert limits.admit("a", NOW_S + limits.retry_after_s)


def test_networks_do_not_share_a_limit_and_those_unknown_do() -> None:
    """None is a network like any other."""
    limits = NetworkLimits(per_minute=60, burst=2)
    for network in ("a", "b", None):
        assert admitted(limits, network, [NOW_S] * 10) == 2


def test_what_is_remembered_is_bounded_and_the_quietest_goes() -> None:
    """Who goes begins anew: a scan from more networks than that is not limited by network."""
    limits = NetworkLimits(per_minute=60, burst=2, networks_max=3)
    for network in ("a", "b", "c", "a", "d"):
        assert limits.admit(network, NOW_S)
    assert len(limits) == 3
    assert [admitted(limits, network, [NOW_S]) for network in ("a", "c", "d")] == [0, 1, 1]
    assert admitted(limits, "b", [NOW_S] * 10) == 2


def test_how_many_networks_are_limited_is_told() -> None:
    """Those that would be refused now."""
    limits = NetworkLimits(per_minute=60, burst=2)
    admitted(limits, "a", [NOW_S] * 5)
    admitted(limits, "b", [NOW_S])
    assert limits.limited(NOW_S) == 1
    assert limits.limited(NOW_S + 1) == 0


@pytest.mark.parametrize(
    ("per_minute", "burst", "after_s", "policy"),
    [(60, 60, 2, '"unknown-codes";q=60;w=60'), (1, 3, 60, '"unknown-codes";q=3;w=180'), (7, 1, 9, None)],
)
def test_who_is_limited_is_told_when_to_come_again(
    per_minute: int, burst: int, after_s: int, policy: str | None
) -> None:
    """In whole seconds, and not before the links' changes were followed."""
    headers = NetworkLimits(per_minute, burst).headers
    assert headers["Retry-After"] == str(after_s)
    assert headers["RateLimit"] == f'"unknown-codes";r=0;t={after_s}'
    assert policy is None or headers["RateLimit-Policy"] == policy


def test_who_is_limited_is_told_by_which_limit() -> None:
    headers = NetworkLimits(60, 5, policy=LimitPolicy.BROWSER_CONVERSIONS).headers
    assert headers["RateLimit-Policy"] == '"browser-conversions";q=5;w=5'
    assert headers["RateLimit"].startswith('"browser-conversions";')


@given(
    per_minute=st.integers(1, 10_000),
    burst=st.integers(1, 100),
    waits_s=st.lists(st.floats(0, 100, allow_nan=False), max_size=200),
)
def test_no_stretch_of_time_lets_more_through_than_the_burst_and_the_rate(
    per_minute: int, burst: int, waits_s: list[float]
) -> None:
    """And whoever waits for a token's time after each gets all of them."""
    limits = NetworkLimits(per_minute, burst)
    now_s, let_through = NOW_S, [NOW_S]
    limits.admit("a", now_s)
    for wait_s in waits_s:
        now_s += wait_s
        if limits.admit("a", now_s):
            let_through.append(now_s)
    token_s = 60 / per_minute
    for first in range(len(let_through)):
        for last in range(first, len(let_through)):
            stretch_s = let_through[last] - let_through[first]
            assert last - first + 1 <= burst + stretch_s / token_s + 0.001
    patient = NetworkLimits(per_minute, burst)
    assert admitted(patient, "a", [NOW_S + number * token_s for number in range(50)]) == 50
