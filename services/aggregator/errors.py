"""What the aggregator refuses.

    AggregatorError
    ├── ZoneInUseError         the caller's fault: 409
    ├── OwnCurrencyError       likewise: 422
    ├── ChangesRewoundError    the caller reads on where this database never was: 409
    ├── RawClicksGoneError     clicks that are asked for were let go: 409
    ├── RebuildRunningError    two rebuilds at once: the second ends
    ├── CountsAlteredError     counts were altered by hand under a rebuild: it ends
    └── UnknownZoneError       a fault of ours: crash

That a partition has moved or was lost is aggregator.applying.store's to say, an outage database.pool's and
event_log.contract's.
"""

from datetime import date

from link_events.identity import Currency
from link_events.streams import Partition


class AggregatorError(Exception):
    """The root of the tree above."""


class ZoneInUseError(AggregatorError):
    """The programme's zone cannot change once clicks are stored."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"clicks are stored by local days of {zone}; the zone cannot change any more")


class OwnCurrencyError(AggregatorError):
    """A rate of the programme's own currency makes no sense."""

    def __init__(self, currency: Currency) -> None:
        super().__init__(f"{currency} is the programme's own currency: it is worth 1")
        self.currency = currency


class RawClicksGoneError(AggregatorError):
    """Clicks would have to be looked at that were let go."""

    def __init__(self, kept_from: date) -> None:
        super().__init__(
            f"raw clicks of before {kept_from} (UTC) were let go, and these days cannot be scored any more"
        )
        self.kept_from = kept_from


class ChangesRewoundError(AggregatorError):
    """Somebody has read the feed of changes further than this database has made any: it is an older copy."""

    def __init__(self, partition: Partition, seen: int, last: int) -> None:
        super().__init__(
            f"change {seen} of partition {partition} has not been made here, the last one is {last}: this database is "
            "an older copy of the one that was read; forget what was read and begin anew, without since"
        )


class RebuildRunningError(AggregatorError):
    """Another rebuild is at work in the database."""

    def __init__(self) -> None:
        super().__init__("another rebuild is at work in this database")


class CountsAlteredError(AggregatorError):
    """A rebuild would make a row say less than nothing."""

    def __init__(self) -> None:
        super().__init__("counts were altered by hand after they had been compared; begin again")


class UnknownZoneError(AggregatorError):
    """The stored zone cannot be reckoned with."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"the programme's zone {zone!r} is in no time-zone database of this version")
