"""When shipped segments may go: acked, and older than the retention.

The retention is what a hole is repaired from and what a restored event log is refilled from. When the journal nears
its cap, room for new clicks matters more: acked segments then go whatever their age. Unacked ones never do.
"""

import time
from datetime import timedelta
from typing import Final

from redirector.journal.acks import Position
from redirector.journal.journal import Journal
from redirector.journal.segments import segment_numbers, segment_path

FILLING_RATIO: Final = 0.8
"""Share of the cap at which operators are alerted and acked segments go early."""


def is_filling(journal: Journal) -> bool:
    """Whether the journal takes so much of its cap that somebody should look."""
    return journal.size_bytes() >= FILLING_RATIO * journal.bytes_max


def expire_segments(journal: Journal, acked: Position, retention: timedelta) -> int:
    """Drop the segments that may go, oldest first, and say how many went."""
    dropped = 0
    for number in segment_numbers(journal.directory):
        if number >= acked.segment:
            break
        age_s = time.time() - segment_path(journal.directory, number).stat().st_mtime
        if age_s <= retention.total_seconds() and not is_filling(journal):
            break
        journal.drop_segment(number)
        dropped += 1
    return dropped
