"""History is effective-dated: what is said of a day holds until the next day of which something is said."""

from collections.abc import Sequence
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import AdvocateId, Team
from link_events.people import NOBODY_SAID, Histories, PersonOnDay, StateRow

ADA = AdvocateId("ada")
FIRST = date(2022, 1, 1)
DAYS = 6

days = st.integers(0, DAYS).map(lambda number: FIRST + timedelta(days=number))
people = st.builds(PersonOnDay, team=st.sampled_from([Team(""), Team("sales"), Team("it")]), active=st.booleans())
said = st.lists(st.tuples(days, people), max_size=8)


def _rows(told: Sequence[tuple[date, PersonOnDay]]) -> list[StateRow]:
    return [StateRow(number, ADA, day, person) for number, (day, person) in enumerate(told)]


def _reckoned(told: Sequence[tuple[date, PersonOnDay]], day: date) -> PersonOnDay:
    """Day by day, and slowly."""
    holds = NOBODY_SAID
    for number in range((day - FIRST).days + 1):
        for valid_from, person in told:
            if valid_from == FIRST + timedelta(days=number):
                holds = person
    return holds


@given(said, days, st.randoms())
def test_the_last_that_was_said_of_the_latest_day_holds(
    told: Sequence[tuple[date, PersonOnDay]], day: date, chance: object
) -> None:
    """In whatever order the rows are read."""
    rows = _rows(told)
    chance.shuffle(rows)  # type: ignore[attr-defined]
    assert Histories(rows).on(ADA, day) == _reckoned(told, day)


def test_nothing_holds_before_the_first_day_nor_of_others() -> None:
    """No team, no roles, taking part."""
    histories = Histories(_rows([(FIRST, PersonOnDay(Team("sales"), frozenset({"executive"}), excluded=True))]))
    assert histories.on(ADA, FIRST - timedelta(days=1)) == histories.on(AdvocateId("bo"), FIRST) == NOBODY_SAID
    assert histories.on(ADA, FIRST).excluded
