"""What holds of an advocate on a local day: the team, the roles, and whether they take part in contests. Pure.

History is said day by day and only ever added to: what is said of a day holds, whole, until the next day of which
something is said; of several things said of one day, the last. Before the first day nothing holds: no team, no roles.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

from link_events.identity import NO_TEAM, AdvocateId, Team


@dataclass(frozen=True, slots=True)
class PersonOnDay:
    """What holds of an advocate."""

    team: Team = NO_TEAM
    roles: frozenset[str] = frozenset()
    excluded: bool = False
    """From every contest, whatever its rules say."""
    active: bool = True
    """False: they have left. Their links redirect and are counted, and score no more."""


NOBODY_SAID: Final = PersonOnDay()


@dataclass(frozen=True, slots=True)
class StateRow:
    """Something that was said of an advocate. A higher number was said later."""

    state_id: int
    advocate_id: AdvocateId
    valid_from: date
    person: PersonOnDay

    @classmethod
    def of(cls, stored: Any) -> Self:
        """A row of `advocate_state`, its columns by their names."""
        team, roles = Team(stored["team"]), frozenset(stored["roles"])
        person = PersonOnDay(team, roles, stored["excluded"], stored["active"])
        return cls(stored["state_id"], AdvocateId(stored["advocate_id"]), stored["valid_from"], person)


class Histories:
    """What was said of some advocates."""

    def __init__(self, rows: Iterable[StateRow]) -> None:
        said: dict[AdvocateId, dict[date, PersonOnDay]] = {}
        for row in sorted(rows, key=lambda row: row.state_id):
            said.setdefault(row.advocate_id, {})[row.valid_from] = row.person
        self._days = {advocate_id: sorted(by_day) for advocate_id, by_day in said.items()}
        self._said = said

    def on(self, advocate_id: AdvocateId, day: date) -> PersonOnDay:
        """What holds of an advocate on `day`."""
        days = self._days.get(advocate_id, [])
        place = bisect_right(days, day)
        return self._said[advocate_id][days[place - 1]] if place else NOBODY_SAID
