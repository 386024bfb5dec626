"""When shipped segments may go: acked, and older than the retention. Without one they stay while there is room.

They are what a hole is repaired from and what a restored event log is refilled from. When the journal nears its cap,
room for new clicks matters more: acked segments then go whatever their age. Unacked ones never do.
"""

import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from redirector.journal.acks import Position
from redirector.journal.journal import Journal
from redirector.journal.segments import segment_numbers, segment_path

FILLING_RATIO: Final = 0.8
"""Share of the cap at which acked segments go early; where what is left takes as much, operators are alerted."""


def is_filling(journal: Journal) -> bool:
    """Whether the journal takes so much of its cap that whatever may go should."""
    return journal.size_bytes() >= FILLING_RATIO * journal.bytes_max


def held_ratio(journal: Journal, acked: Position) -> float:
    """How much of its cap the journal holds that may not go: what is not acked to its end, or is being written."""
    return journal.size_bytes(from_segment=min(acked, journal.end).segment) / journal.bytes_max


def expire_segments(journal: Journal, acked: Position, retention: timedelta | None) -> int:
    """Drop the segments that may go, oldest first, and say how many went."""
    dropped = 0
    for number in segment_numbers(journal.directory):
        if number >= acked.segment:
            break
        if not is_filling(journal) and not _is_older(segment_path(journal.directory, number), retention):
            break
        journal.drop_segment(number)
        dropped += 1
    return dropped


def _is_older(segment: Path, retention: timedelta | None) -> bool:
    return retention is not None and time.time() - segment.stat().st_mtime > retention.total_seconds()
