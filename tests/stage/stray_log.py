"""An event log in which some records have lost their origin, as a stranger's writes to a Kafka topic have none."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from event_log.contract import EventLog, LoggedRecord, StrayRecord
from link_events.streams import Offset, Partition, Stream
from stage.split_log import SplitLog

STRAY: Final = b"stray: "
"""What a record that comes out without its origin begins with."""


class StrayLog(SplitLog):
    """The log inside, but for records whose value begins with STRAY: of them only key, value and time come out."""

    def __init__(self, inside: EventLog) -> None:
        super().__init__(inside, ())

    async def read(
        self, stream: Stream, partition: Partition, from_offset: Offset, *, records_max: int, wait: timedelta
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """As inside, some of them stray."""
        records = await super().read(stream, partition, from_offset, records_max=records_max, wait=wait)
        return [_strayed(one) for one in records]


def _strayed(one: LoggedRecord | StrayRecord) -> LoggedRecord | StrayRecord:
    if isinstance(one, StrayRecord) or not one.record.value.startswith(STRAY):
        return one
    return StrayRecord(one.offset, one.record.value, one.logged_at, "the header advolink-origin is missing")
