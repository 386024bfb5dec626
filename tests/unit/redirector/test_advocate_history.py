"""What is left out stays as it is; saying the same again changes nothing."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import AdvocateId, Team
from link_events.people import PersonOnDay, StateRow
from redirector.advocates.history import Advocate, PutOutcome, Said, take

ADA, BO = AdvocateId("ada"), AdvocateId("bo")
MONDAY = date(2022, 2, 14)
MADE_AT = datetime(2022, 2, 1, tzinfo=UTC)
ADVOCATES = {
    one: Advocate(one, None, public_standings=True, created_at=MADE_AT, updated_at=MADE_AT) for one in (ADA, BO)
}


def _said(advocate_id: AdvocateId = ADA, days: int = 0, **given_: Any) -> Said:
    return Said(advocate_id, MONDAY + timedelta(days=days), given_)


SAYINGS = st.builds(
    Said,
    st.sampled_from([ADA, BO]),
    st.integers(0, 4).map(lambda days: MONDAY + timedelta(days=days)),
    st.fixed_dictionaries(
        {},
        optional={
            "team": st.sampled_from([Team(""), Team("sales"), Team("it")]),
            "roles": st.frozensets(st.sampled_from(["executive", "organiser"])),
            "excluded": st.booleans(),
            "active": st.booleans(),
            "display_name": st.none() | st.sampled_from(["Ada", "Bo"]),
            "public_standings": st.booleans(),
        },
    ),
)


def test_what_is_left_out_stays_as_it_is_on_that_day() -> None:
    """And what was said of later days stays as it was said."""
    rows = [_said(team=Team("sales")), _said(days=4, active=False), _said(days=2, roles=frozenset({"executive"}))]
    taken = take(rows, ADVOCATES, [], [])
    assert [one.person for one in taken.put] == [
        PersonOnDay(Team("sales")),
        PersonOnDay(Team("sales"), active=False),
        PersonOnDay(Team("sales"), frozenset({"executive"})),
    ]
    assert [state[1] for state in taken.states] == [one.valid_from for one in rows]


def test_names_hold_for_all_times() -> None:
    """They are no history: the last is the one."""
    taken = take([_said(display_name="Ada"), _said(BO), _said(public_standings=False)], ADVOCATES, [], [BO])
    assert [one.outcome for one in taken.put] == [PutOutcome.CHANGED, PutOutcome.CREATED, PutOutcome.CHANGED]
    assert (taken.states, set(taken.advocates)) == ([], {ADA})
    assert (taken.advocates[ADA].display_name, taken.advocates[ADA].public_standings) == ("Ada", False)


@given(st.lists(SAYINGS, max_size=8))
def test_the_last_of_what_was_said_is_the_same_when_said_again(rows: list[Said]) -> None:
    """So whoever repeats a request, or sends a directory every night, changes nothing."""
    first = take(rows, ADVOCATES, [], [])
    states = [StateRow(number, *state) for number, state in enumerate(first.states)]
    advocates: Mapping[AdvocateId, Advocate] = {**ADVOCATES, **first.advocates}
    for row in rows[-1:]:
        again = take([row], advocates, states, [])
        assert (again.states, again.advocates) == ([], {})
        assert [one.outcome for one in again.put] == [PutOutcome.SAME]


@given(st.lists(SAYINGS, max_size=8), st.integers(0, 8))
def test_rows_in_one_request_or_in_two_come_to_the_same(rows: list[Said], cut: int) -> None:
    """Each is taken as by itself."""
    whole = take(rows, ADVOCATES, [], [])
    first = take(rows[:cut], ADVOCATES, [], [])
    states = [StateRow(number, *state) for number, state in enumerate(first.states)]
    second = take(rows[cut:], {**ADVOCATES, **first.advocates}, states, [])
    assert [*first.put, *second.put] == whole.put
    assert [*first.states, *second.states] == whole.states
