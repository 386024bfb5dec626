"""Partitions are shared evenly, and nobody takes what another holds."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.leases.shares import Change, Picture, Slice, change_for, fair_share
from link_events.streams import Partition, Stream

PARTITIONS = [(Stream.CLICKS, Partition(number)) for number in range(12)]
OWNERS = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=15, unique=True)


def _applied(holders: dict[Slice, str | None], owner: str, change: Change) -> None:
    for slice_ in change.give_back:
        assert holders[slice_] == owner
        holders[slice_] = None
    for slice_ in change.take:
        assert holders[slice_] is None
        holders[slice_] = owner


def test_one_alone_takes_everything() -> None:
    picture = Picture({"a"}, dict.fromkeys(PARTITIONS))
    assert change_for("a", picture) == Change(take=tuple(PARTITIONS))


def test_the_second_gets_half() -> None:
    """First the one that holds all gives back, then the other takes."""
    holders: dict[Slice, str | None] = dict.fromkeys(PARTITIONS, "a")
    assert change_for("b", Picture({"a", "b"}, holders)) == Change()
    _applied(holders, "a", change_for("a", Picture({"a", "b"}, holders)))
    _applied(holders, "b", change_for("b", Picture({"a", "b"}, holders)))
    assert sorted(map(str, holders.values())) == ["a"] * 6 + ["b"] * 6


def test_what_one_that_died_held_is_taken() -> None:
    """Its partitions are shown as nobody's."""
    holders: dict[Slice, str | None] = dict.fromkeys(PARTITIONS[:6], "a") | dict.fromkeys(PARTITIONS[6:])
    assert change_for("a", Picture({"a"}, holders)) == Change(take=tuple(PARTITIONS[6:]))


def test_one_whose_lease_ran_out_takes_nothing() -> None:
    """It is not alive, whatever it thinks."""
    assert change_for("a", Picture({"b"}, dict.fromkeys(PARTITIONS))) == Change()


@pytest.mark.parametrize("count", [2, 3, 4, 6, 12])
def test_everybody_gets_as_much_of_every_stream(count: int) -> None:
    """Clicks are the work: nobody has all of them, and nobody only heartbeats."""
    slices = [(stream, Partition(number)) for stream in Stream for number in range(12)]
    holders: dict[Slice, str | None] = dict.fromkeys(slices)
    owners = [f"owner {number:02}" for number in range(count)]
    for owner in owners:
        _applied(holders, owner, change_for(owner, Picture(owners, dict(holders))))
    shares = Counter((owner, stream) for (stream, _), owner in holders.items())
    assert set(shares.values()) == {12 // count}


@given(OWNERS)
def test_shares_add_up_and_differ_by_one_at_most(owners: list[str]) -> None:
    picture = Picture(frozenset(owners), dict.fromkeys(PARTITIONS))
    shares = [fair_share(owner, picture) for owner in owners]
    assert sum(shares) == len(PARTITIONS)
    assert max(shares) - min(shares) <= 1


@given(OWNERS, st.data())
def test_from_any_state_two_rounds_lead_to_fair_shares(owners: list[str], data: st.DataObject) -> None:
    """Whoever holds what, some of it perhaps nobody, and in whatever order they look."""
    held_by = st.sampled_from([*owners, None])
    holders = {slice_: data.draw(held_by) for slice_ in PARTITIONS}
    for _ in range(2):
        for owner in data.draw(st.permutations(owners)):
            _applied(holders, owner, change_for(owner, Picture(frozenset(owners), dict(holders))))
    for owner in owners:
        share = fair_share(owner, Picture(frozenset(owners), holders))
        assert sum(holder == owner for holder in holders.values()) == share
