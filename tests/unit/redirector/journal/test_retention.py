"""Segments live until they are shipped and older than the retention; near the cap the shipped ones go early."""

import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from redirector.journal.acks import Position
from redirector.journal.adoption import OwnedJournal
from redirector.journal.journal import Journal, Limits
from redirector.journal.retention import FILLING_RATIO, expire_segments, held_ratio, is_filling
from redirector.journal.segments import segment_numbers, segment_path
from redirector.settings import SEGMENTS_MIN
from stage.journals import JOURNAL, append, append_until_full, opened

SEGMENT = 1024
BIG = "x" * 700
DAY = timedelta(days=1)
NEVER = timedelta(days=10_000)


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[OwnedJournal]:
    """A journal that may hold ten segments."""
    one = opened(tmp_path / JOURNAL.hex(), Limits(SEGMENT, 10 * SEGMENT))
    yield one
    await one.close()


@pytest.fixture
def journal(owned: OwnedJournal) -> Journal:
    return owned.journal


async def fill(journal: Journal, segments: int) -> None:
    """Make it hold as many segments."""
    while journal.end.segment < segments:
        await append(journal, BIG)


def make_old(journal: Journal, number: int, age: timedelta) -> None:
    then = time.time() - age.total_seconds()
    os.utime(segment_path(journal.directory, number), (then, then))


def kept(journal: Journal) -> list[int]:
    return list(segment_numbers(journal.directory))


async def test_what_was_shipped_goes_when_it_is_old(journal: Journal) -> None:
    """Oldest first, and none that is younger."""
    await fill(journal, 5)
    for number in (1, 2):
        make_old(journal, number, DAY + timedelta(minutes=1))
    make_old(journal, 3, DAY - timedelta(minutes=1))
    assert expire_segments(journal, Position(5, 0), DAY) == 2
    assert kept(journal) == [3, 4, 5]
    assert journal.size_bytes() == 3 * SEGMENT


async def test_what_was_not_shipped_never_goes(journal: Journal) -> None:
    """However old it is, and however full the journal."""
    await append_until_full(journal, BIG)
    for number in kept(journal):
        make_old(journal, number, NEVER)
    assert expire_segments(journal, Position(1, 900), timedelta(0)) == 0
    assert kept(journal) == list(range(1, 11))
    assert expire_segments(journal, Position(3, 0), timedelta(0)) == 2
    assert kept(journal) == list(range(3, 11))


async def test_the_segment_being_written_stays_though_all_of_it_was_shipped(journal: Journal) -> None:
    """It is the next one's beginning."""
    await fill(journal, 3)
    make_old(journal, 3, NEVER)
    assert expire_segments(journal, journal.end, timedelta(0)) == 2
    assert kept(journal) == [3]


async def test_near_the_cap_what_was_shipped_goes_early(journal: Journal) -> None:
    """Room for new clicks matters more than a second copy: but only as much as is needed."""
    await fill(journal, 7)
    assert not is_filling(journal)
    assert expire_segments(journal, journal.end, NEVER) == 0
    await fill(journal, 9)
    assert is_filling(journal)
    assert expire_segments(journal, journal.end, NEVER) == 2
    assert kept(journal) == list(range(3, 10))
    assert not is_filling(journal)


async def test_without_a_retention_what_was_shipped_stays_while_there_is_room(journal: Journal) -> None:
    """However old it is."""
    await fill(journal, 9)
    for number in kept(journal):
        make_old(journal, number, NEVER)
    assert expire_segments(journal, journal.end, None) == 2
    assert kept(journal) == list(range(3, 10))
    assert expire_segments(journal, journal.end, None) == 0


async def test_a_journal_is_as_full_as_what_may_not_go(journal: Journal) -> None:
    """A healthy one keeps what was shipped up to where it goes early, and nobody has to be told of that."""
    await fill(journal, 7)
    assert held_ratio(journal, Position(1, 0)) == pytest.approx(0.7)
    assert held_ratio(journal, Position(6, 40)) == pytest.approx(0.2)
    assert held_ratio(journal, journal.end) == pytest.approx(0.1)
    expire_segments(journal, Position(4, 0), timedelta(0))
    assert held_ratio(journal, Position(4, 0)) == pytest.approx(0.4)


@pytest.mark.parametrize("spare", [0, 1, SEGMENT // 2, SEGMENT - 1, SEGMENT])
async def test_a_full_journal_is_always_filling(tmp_path: Path, spare: int) -> None:
    """With as many segments as the settings ask for: shipping it makes room, whatever the retention."""
    cap = SEGMENTS_MIN * SEGMENT + spare
    owned = opened(tmp_path / "other" / JOURNAL.hex(), Limits(SEGMENT, cap))
    await append_until_full(owned.journal, BIG)
    assert owned.journal.size_bytes() >= FILLING_RATIO * cap
    assert expire_segments(owned.journal, owned.journal.end, NEVER) > 0
    await append(owned.journal, BIG)
    await owned.close()
