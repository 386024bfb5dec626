"""What becomes of advocates by what is said of them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from link_events.identity import AdvocateId
from link_events.people import Histories, PersonOnDay, StateRow

OF_A_DAY: Final = frozenset({"team", "roles", "excluded", "active"})
"""What holds from a day on. The rest of what is said holds for all times."""


class PutOutcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    SAME = "same"
    """It says nothing that was not so before; nothing was written."""
    INVALID = "invalid"
    """It is none that could be taken; the others are."""


@dataclass(frozen=True, slots=True)
class Advocate:
    """A person who shares links and is credited."""

    advocate_id: AdvocateId
    display_name: str | None
    public_standings: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What a row says of an advocate. Only what is in `given` is said; `valid_from`: from which day on."""

    advocate_id: AdvocateId
    valid_from: date
    given: Mapping[str, Any]

    def on_top_of(self, person: PersonOnDay) -> PersonOnDay:
        """What holds once this is said, where `person` held."""
        return replace(person, **{name: value for name, value in self.given.items() if name in OF_A_DAY})

    def renamed(self, advocate: Advocate) -> Advocate:
        """The advocate once this is said."""
        return replace(advocate, **{name: value for name, value in self.given.items() if name not in OF_A_DAY})


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a row, and the advocate since, with what holds on the day of which it was said."""

    outcome: PutOutcome
    advocate: Advocate
    valid_from: date
    person: PersonOnDay


@dataclass(slots=True)
class Taken:
    """What becomes of some rows, and what is to be stored for it."""

    put: list[Put] = field(default_factory=list)
    advocates: dict[AdvocateId, Advocate] = field(default_factory=dict)
    """Those of whom something else is said for all times."""
    states: list[tuple[AdvocateId, date, PersonOnDay]] = field(default_factory=list)


def take(
    rows: Sequence[Said],
    advocates: Mapping[AdvocateId, Advocate],
    states: Iterable[StateRow],
    new: Collection[AdvocateId],
) -> Taken:
    """Take what `rows` say, one after another, of advocates as they are, of whom `states` was said before."""
    taken = Taken()
    said: dict[AdvocateId, list[StateRow]] = {}
    for state in states:
        said.setdefault(state.advocate_id, []).append(state)
    unseen = set(new)
    for row in rows:
        before = taken.advocates.get(row.advocate_id, advocates[row.advocate_id])
        history = said.setdefault(row.advocate_id, [])
        person = Histories(history).on(row.advocate_id, row.valid_from)
        after, holds = row.renamed(before), row.on_top_of(person)
        if after != before:
            taken.advocates[row.advocate_id] = after
        if holds != person:
            number = history[-1].state_id + 1 if history else 0
            history.append(StateRow(number, row.advocate_id, row.valid_from, holds))
            taken.states.append((row.advocate_id, row.valid_from, holds))
        outcome = PutOutcome.SAME if (after, holds) == (before, person) else PutOutcome.CHANGED
        if row.advocate_id in unseen:
            outcome = PutOutcome.CREATED
            unseen.discard(row.advocate_id)
        taken.put.append(Put(outcome, after, row.valid_from, holds))
    return taken


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that was said, and by which key."""

    valid_from: date
    person: PersonOnDay
    set_at: datetime
    set_by: str


def that_hold(history: Iterable[HistoryRow]) -> list[HistoryRow]:
    """Of what was said, in that order, what holds: one row a day, in the order of days."""
    last = {row.valid_from: row for row in history}
    return [last[day] for day in sorted(last)]
