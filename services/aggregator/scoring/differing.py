"""What has to be written for a day's tallies to be what they are to be. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from aggregator.scoring.days import Tally, TallyKey
from link_events.values import value

_NOTHING: Final = Tally(0, 0, None)


@value(frozen=True, slots=True)
class Difference:
    """What a tally gains, and when its points are reached then.

    Where that alone has changed, nothing is gained: the tally is written and the ledger has no entry.
    """

    key: TallyKey
    points_millionths: int
    quantity: int
    reached_at: datetime | None = None

    @property
    def is_entry(self) -> bool:
        """Whether the ledger has to tell of it."""
        return bool(self.points_millionths or self.quantity)


def differences(before: Mapping[TallyKey, Tally], after: Mapping[TallyKey, Tally]) -> Sequence[Difference]:
    """What makes `before` into `after`, in order of the keys; a key that one of them lacks has nothing there."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, is_now = before.get(key, _NOTHING), after.get(key, _NOTHING)
        if was != is_now:
            gained = is_now.points_millionths - was.points_millionths
            found.append(Difference(key, gained, is_now.quantity - was.quantity, is_now.reached_at))
    return found
