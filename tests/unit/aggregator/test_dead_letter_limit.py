"""Past a share of dead letters a partition stops, however its log is cut into batches; a handful never stop it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.applying.batch import Admitted, DeadLetter, admit, read_records
from aggregator.applying.dead_letter_limit import NOTHING_RECENT, DeadLetterLimit, DeadLetterRatioError, Recent
from aggregator.applying.seqs import SeqBook
from event_log.contract import LoggedRecord, Record, StrayRecord
from link_events.events import Heartbeat
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SMALL = DeadLetterLimit(0.5, records=8, dead_letters_min=2)
"""A window that a test can fill: it stops at the fifth dead letter among eight records."""


def _stops_at(limit: DeadLetterLimit, told: Sequence[bool], cuts: Iterable[int] = ()) -> tuple[int, Recent] | None:
    """Where the first refused batch of `told` (True: a dead letter) begins, and what was remembered; None: nowhere."""
    recent = NOTHING_RECENT
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(told)), len(told)]
    for start, end in pairwise(edges):
        dead = [place for place, is_dead in enumerate(told[start:end]) if is_dead]
        try:
            recent = limit.check_places(recent, end - start, dead)
        except DeadLetterRatioError:
            return start, recent
    return None


def _spread(dead: int, among: int) -> list[bool]:
    """`dead` dead letters, evenly among so many records."""
    return [place * dead % among < dead for place in range(among)]


@pytest.mark.parametrize("batch", [1, 7, 100, 1_000, 5_000])
def test_a_hundred_among_five_thousand_pass_in_batches_of_any_size(batch: int) -> None:
    """Two in a hundred are no broken decoder."""
    assert _stops_at(DeadLetterLimit(0.1), _spread(100, 5_000), range(0, 5_000, batch)) is None


@pytest.mark.parametrize("batch", [1, 7, 100, 1_000, 5_000])
def test_one_in_five_stops_in_batches_of_any_size(batch: int) -> None:
    """At the hundred and first among the latest thousand: only the batch that holds it is refused."""
    stopped = _stops_at(DeadLetterLimit(0.1), _spread(1_000, 5_000), range(0, 5_000, batch))
    assert stopped is not None
    assert stopped[0] <= 500 < stopped[0] + batch


@pytest.mark.parametrize("dead", [1, 10, 100])
def test_a_few_at_the_very_start_stop_nothing(dead: int) -> None:
    """Nothing is known yet of what follows them."""
    assert _stops_at(DeadLetterLimit(0.1), [True] * dead + [False] * 50) is None


def test_a_decoder_that_reads_nothing_stops_its_partition() -> None:
    """Before the first batch is committed."""
    assert _stops_at(DeadLetterLimit(0.1), [True] * 5_000) == (0, NOTHING_RECENT)


def test_the_least_number_passes_whatever_the_limit() -> None:
    """So low a limit is no reason to stop over one stray writer."""
    assert _stops_at(DeadLetterLimit(0.0), [True] * 10) is None
    assert _stops_at(DeadLetterLimit(0.0), [True] * 11) == (0, NOTHING_RECENT)


def test_one_switches_it_off() -> None:
    """For a person who wants everything dead-lettered."""
    assert _stops_at(DeadLetterLimit(1.0), [True] * 5_000) is None


def test_old_dead_letters_are_forgotten() -> None:
    """What is more than a window ago says nothing of now."""
    assert _stops_at(SMALL, ([True] * 4 + [False] * 4) * 20, range(0, 160, 3)) is None


@given(st.lists(st.booleans(), max_size=60), st.sets(st.integers(1, 59)))
def test_any_cut_into_batches_stops_at_the_same_record(told: list[bool], cuts: set[int]) -> None:
    """The batch that is refused is the one that holds the record which is refused alone."""
    alone = _stops_at(SMALL, told, range(len(told)))
    cut = _stops_at(SMALL, told, cuts)
    if alone is None:
        assert cut is None
    else:
        assert cut is not None
        assert cut[0] == max((edge for edge in (0, *cuts) if edge <= alone[0]), default=0)


@given(st.lists(st.booleans(), max_size=60))
def test_it_stops_where_the_window_holds_too_many(told: list[bool]) -> None:
    """Reckoned anew for every record, without any memory."""
    too_many = [
        place
        for place in range(len(told))
        if told[place] and sum(told[max(0, place - SMALL.records + 1) : place + 1]) > 4
    ]
    stopped = _stops_at(SMALL, told, range(len(told)))
    assert (None if stopped is None else stopped[0]) == (too_many[0] if too_many else None)


@given(st.lists(st.booleans(), max_size=60), st.sets(st.integers(1, 59)))
def test_what_is_remembered_is_bounded_and_is_what_was_committed(told: list[bool], cuts: set[int]) -> None:
    """Of a refused batch nothing: the same records, read well after a mended deploy, go on."""
    stopped = _stops_at(SMALL, told, cuts)
    if stopped is None:
        return
    start, recent = stopped
    assert recent.seen == start
    assert list(recent.dead) == [place for place in range(max(0, start - SMALL.records + 1), start) if told[place]]
    SMALL.check_places(recent, len(told) - start, [])


def test_heartbeats_hide_nothing() -> None:
    """A quiet partition has many of them for each click: only clicks and dead letters are looked at."""
    pen = Pen()
    records = [one for _ in range(5) for one in (*(pen.write(Heartbeat()) for _ in range(9)), pen.scribble())]
    with pytest.raises(DeadLetterRatioError, match=r"5 of the latest 8 events cannot be applied, more than 50\.0%"):
        SMALL.check(NOTHING_RECENT, _admitted(*records))


def test_records_are_looked_at_in_their_places() -> None:
    """Whichever list they were sorted into."""
    pen = Pen()
    events = [PLAIN_CLICK, None, PLAIN_CLICK, Heartbeat(), None, None, PLAIN_CLICK]
    admitted = _admitted(*(pen.scribble() if event is None else pen.write(event) for event in events))
    assert SMALL.check(Recent(10, (3, 9)), admitted) == Recent(16, (9, 11, 13, 14))


def test_stray_records_count_as_dead_letters() -> None:
    """Nobody we know wrote them: so many may mean that we cannot read what they say of themselves."""
    strays = [StrayRecord(Offset(offset), b"", NOW, "no origin") for offset in range(5)]
    dead = [one for one in read_records(Stream.CLICKS, Partition(0), strays, NOW) if isinstance(one, DeadLetter)]
    with pytest.raises(DeadLetterRatioError):
        SMALL.check(NOTHING_RECENT, Admitted(dead_letters=dead))


def _admitted(*records: Record) -> Admitted:
    logged = [LoggedRecord(Offset(offset), record, NOW) for offset, record in enumerate(records, 40)]
    return admit(read_records(Stream.CLICKS, Partition(0), logged, NOW), SeqBook({}, []))
