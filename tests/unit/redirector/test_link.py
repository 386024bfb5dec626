"""What a link is at an instant, and which links are kept in memory."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import Code
from link_events.reasons import LinkState
from redirector.links.link import Link
from redirector.links.memory import LinkMemory
from stage.links import link

END: Final = datetime(2022, 4, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("expires_at", "disabled_at", "asked_at", "state"),
    [
        (None, None, END, LinkState.ACTIVE),
        (END, None, END - MICROSECOND, LinkState.ACTIVE),
        (END, None, END, LinkState.EXPIRED),
        (END, None, END + MICROSECOND, LinkState.EXPIRED),
        (None, END, END, LinkState.DISABLED),
        (END, END, END + MICROSECOND, LinkState.DISABLED),
        (END, END, END - MICROSECOND, LinkState.DISABLED),
    ],
)
def test_a_link_ends_at_its_end_or_when_it_is_switched_off(
    expires_at: datetime | None, disabled_at: datetime | None, asked_at: datetime, state: LinkState
) -> None:
    """The very instant of expiry is past the end; a switched-off link says so whatever its end."""
    assert link(expires_at=expires_at, disabled_at=disabled_at).state_at(asked_at) is state


def numbered(number: int, change: int = 1) -> Link:
    return link(code=Code(f"code{number}"), change=change)


def test_the_least_recently_used_link_goes_first() -> None:
    """Looking a link up is using it; so is being told of a change."""
    memory = LinkMemory(3)
    for number in (1, 2, 3):
        memory.remember(numbered(number))
    assert memory.get(Code("code1"))
    memory.refresh(numbered(2, change=2))
    memory.remember(numbered(4))
    assert [memory.get(Code(f"code{number}")) is not None for number in (1, 2, 3, 4)] == [True, True, False, True]
    assert len(memory) == 3


def test_an_older_state_never_replaces_a_newer_one() -> None:
    """A lookup that was overtaken by a change brings the link as it was before."""
    memory = LinkMemory(3)
    memory.remember(numbered(1, change=8))
    memory.remember(numbered(1, change=7))
    memory.refresh(numbered(1, change=7))
    kept = memory.get(Code("code1"))
    assert kept is not None
    assert kept.change == 8


def test_changes_of_other_links_are_not_drawn_in() -> None:
    """Memory is for links that are clicked, not for all that change."""
    memory = LinkMemory(3)
    memory.refresh(numbered(1))
    assert memory.get(Code("code1")) is None
    assert len(memory) == 0


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9))))
def test_memory_is_bounded_and_knows_the_newest_state(links_max: int, told: list[tuple[int, int]]) -> None:
    """Whatever it is told in whatever order."""
    memory = LinkMemory(links_max)
    newest_while_kept: dict[Code, int] = {}
    for number, change in told:
        memory.remember(numbered(number, change))
        code = Code(f"code{number}")
        newest_while_kept[code] = max(change, newest_while_kept.get(code, 0))
        kept = {one: memory.get(one) for one in list(newest_while_kept)}
        newest_while_kept = {one: newest for one, newest in newest_while_kept.items() if kept[one]}
        assert {one: found.change for one, found in kept.items() if found} == newest_while_kept
        assert len(memory) <= links_max
