"""Up to which change of each partition somebody has read the feed: `0:42,7:3`. Pure.

Readable, so that a reader's own log can be held against the database; a partition that is not named is read from its
first change on.
"""

import re
from collections.abc import Mapping
from typing import Final

from link_events.streams import PARTITIONS_MAX, Partition

SINCE_CHARS_MAX: Final = PARTITIONS_MAX * len(f"{PARTITIONS_MAX}:{2**63},")
"""Every partition, as far as a bigint counts."""

_CHANGE_MAX: Final = 2**63 - 1
_PLACE: Final = re.compile(r"(0|[1-9][0-9]{0,2}):(0|[1-9][0-9]{0,18})")


def read_since(text: str) -> Mapping[Partition, int]:
    """The last change that was seen, by partition.

    Raises:
        ValueError: it is no `since` that was handed out.
    """
    seen: dict[Partition, int] = {}
    for place in text.split(",") if text else ():
        found = _PLACE.fullmatch(place)
        if found is None:
            raise ValueError("is not like 0:42,7:3, a partition and its last change each")
        partition, change = Partition(int(found[1])), int(found[2])
        if partition >= PARTITIONS_MAX or change > _CHANGE_MAX or partition in seen:
            raise ValueError(f"names a partition twice, or what there cannot be: {place}")
        seen[partition] = change
    return seen


def write_since(seen: Mapping[Partition, int]) -> str:
    """What to ask for next time."""
    return ",".join(f"{partition}:{change}" for partition, change in sorted(seen.items()))
