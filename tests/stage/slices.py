"""Every slice of a journal and of the log, as a test expects one of something in each."""

from typing import Final

from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream

EVERY_SLICE: Final = tuple((stream, Partition(number)) for stream in Stream for number in range(PARTITIONS_DEFAULT))
