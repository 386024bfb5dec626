"""Each seq is admitted once, whatever is sent again, left out or late; the holes are exactly what is not there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.applying.seqs import NOTHING_CAPTURED, Admission, Closing, Hole, SeqBook, Watermark
from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind

JOURNALS = [JournalId(bytes([number] * 8)) for number in (1, 2)]
SEQ_MAX = 12
GIVEN_UP = Closing(datetime(2022, 3, 1, tzinfo=UTC), "the disk is gone")


def _captured_at(seq: int) -> datetime:
    """Capture never goes back within a journal."""
    return datetime(2022, 2, 14, tzinfo=UTC) + timedelta(seconds=seq)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record on its way in; `readable` says whether it can be applied as it is."""

    journal: JournalId
    seq: Seq
    readable: bool = True
    sealed: bool = False


@dataclass
class Stored:
    """What the database keeps between two batches, under the primary keys of its tables."""

    marks: dict[JournalId, Watermark] = field(default_factory=dict)
    holes: dict[tuple[JournalId, Seq], Hole] = field(default_factory=dict)

    def apply(self, batch: Iterable[Delivery]) -> list[Admission]:
        """One batch through one book, stored as the store stores it: drop, then put."""
        book = SeqBook(self.marks, self.holes.values())
        admissions = [_admit(book, one) for one in batch]
        self._write(book)
        return admissions

    def discard(self, journal: JournalId, seq: Seq) -> bool:
        """Give a dead letter up, stored in the same way."""
        book = SeqBook(self.marks, self.holes.values())
        was_open = book.discard(journal, seq)
        self._write(book)
        return was_open

    def close(self) -> None:
        """Give up whatever is missing, as the command does it: in the table alone."""
        for place, hole in self.holes.items():
            if hole.kind is HoleKind.MISSING and hole.closed is None:
                self.holes[place] = replace(hole, closed=GIVEN_UP)

    def _write(self, book: SeqBook) -> None:
        self.marks |= book.changed_watermarks
        for hole in book.holes_gone:
            del self.holes[hole.journal, hole.seq_from]
        for hole in book.holes_made:
            assert (hole.journal, hole.seq_from) not in self.holes
            self.holes[hole.journal, hole.seq_from] = hole

    def seqs(self, journal: JournalId, kind: HoleKind) -> list[int]:
        """The seqs of a journal that lie in holes of a kind, as often as they do."""
        holes = [hole for hole in self.holes.values() if (hole.journal, hole.kind) == (journal, kind)]
        return sorted(seq for hole in holes for seq in range(hole.seq_from, hole.seq_to + 1))


def _admit(book: SeqBook, one: Delivery) -> Admission:
    if one.readable:
        return book.admit(one.journal, one.seq, _captured_at(one.seq), sealed=one.sealed)
    return book.admit_dead_letter(one.journal, one.seq)


def _deliveries() -> st.SearchStrategy[list[Delivery]]:
    """Records in any order, any of them any number of times: worse than any log."""
    return st.lists(
        st.builds(
            Delivery,
            journal=st.sampled_from(JOURNALS),
            seq=st.integers(1, SEQ_MAX).map(Seq),
            readable=st.integers(0, 3).map(bool),
            sealed=st.just(value=False),
        ),
        max_size=40,
    )


def _split(records: Sequence[Delivery], cuts: Iterable[int]) -> list[Sequence[Delivery]]:
    ends = [*sorted({cut for cut in cuts if cut < len(records)}), len(records)]
    return [records[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


SHUFFLED = [Delivery(JOURNALS[0], Seq(seq)) for seq in (1, 5, 3, 3, 2, 9, 4)]


@given(_deliveries(), st.sets(st.integers(0, 40)))
@example(SHUFFLED, {1, 2, 3, 4, 5, 6})
def test_any_split_into_batches_comes_to_the_same(deliveries: list[Delivery], cuts: set[int]) -> None:
    """The same admissions, watermarks and holes: a batch's size decides nothing."""
    at_once, in_parts = Stored(), Stored()
    admissions = at_once.apply(deliveries)
    assert [one for batch in _split(deliveries, cuts) for one in in_parts.apply(batch)] == admissions
    assert in_parts == at_once


@given(_deliveries())
def test_each_seq_is_admitted_once_and_the_holes_are_what_is_not_there(deliveries: list[Delivery]) -> None:
    """Once to be applied, and before that at most once as a dead letter."""
    stored = Stored()
    admitted = [
        one for one, was in zip(deliveries, stored.apply(deliveries), strict=True) if was is not Admission.DUPLICATE
    ]
    for journal in JOURNALS:
        came = [one for one in deliveries if one.journal == journal]
        applied = [one.seq for one in admitted if one.journal == journal and one.readable]
        dead = [one.seq for one in admitted if one.journal == journal and not one.readable]
        assert len(dead) == len(set(dead))
        assert sorted(applied) == sorted({one.seq for one in came if one.readable})
        highest = max((one.seq for one in came), default=0)
        assert stored.marks.get(journal, Watermark()).seq == highest
        missing = set(range(1, highest + 1)) - {one.seq for one in came}
        assert stored.seqs(journal, HoleKind.MISSING) == sorted(missing)
        assert stored.seqs(journal, HoleKind.DEAD_LETTER) == sorted({one.seq for one in came} - set(applied))


@given(_deliveries())
def test_sending_everything_again_changes_nothing(deliveries: list[Delivery]) -> None:
    """At least once becomes exactly once; only a record that was mended would still come in."""
    stored = Stored()
    stored.apply(deliveries)
    before = Stored(dict(stored.marks), dict(stored.holes))
    readable = {(one.journal, one.seq) for one in deliveries if one.readable}
    again = [one for one in deliveries if one.readable or (one.journal, one.seq) not in readable]
    assert set(stored.apply(again)) <= {Admission.DUPLICATE}
    assert stored == before


@given(_deliveries())
def test_what_is_missing_was_captured_at_its_holes_instant_or_later(deliveries: list[Delivery]) -> None:
    """`complete_through` ends where a hole begins: a hole that says too late an instant would promise too much."""
    stored = Stored()
    stored.apply(deliveries)
    for hole in stored.holes.values():
        assert hole.captured_after <= _captured_at(hole.seq_from)
    for mark in stored.marks.values():
        assert mark.captured_at <= _captured_at(mark.seq)


@given(_deliveries())
def test_journals_know_nothing_of_each_other(deliveries: list[Delivery]) -> None:
    """Each has its own watermark and its own holes."""
    together, alone = Stored(), Stored()
    together.apply(deliveries)
    for journal in JOURNALS:
        alone.apply(one for one in deliveries if one.journal == journal)
    assert together == alone


@given(st.permutations(range(1, 8)))
def test_a_sequence_that_comes_in_any_order_leaves_no_hole(order: list[int]) -> None:
    """Every hole on the way is filled in the end."""
    stored = Stored()
    admissions = stored.apply(Delivery(JOURNALS[0], Seq(seq)) for seq in order)
    assert Admission.DUPLICATE not in admissions
    assert stored.holes == {}
    assert stored.marks == {JOURNALS[0]: Watermark(Seq(7), _captured_at(7))}


def test_a_jump_leaves_a_hole_that_says_since_when() -> None:
    """Since the record before it; at the first sight of a journal since ever."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(3)), Delivery(JOURNALS[0], Seq(6))])
    assert list(stored.holes.values()) == [
        Hole(JOURNALS[0], Seq(1), Seq(2), HoleKind.MISSING, NOTHING_CAPTURED),
        Hole(JOURNALS[0], Seq(4), Seq(5), HoleKind.MISSING, _captured_at(3)),
    ]


@pytest.mark.parametrize(
    ("filled_by", "left"),
    [
        ([2], [(3, 6)]),
        ([6], [(2, 5)]),
        ([4], [(2, 3), (5, 6)]),
        ([4, 3], [(2, 2), (5, 6)]),
        ([2, 6, 4], [(3, 3), (5, 5)]),
        ([2, 3, 4, 5, 6], []),
    ],
)
def test_what_comes_into_a_hole_shrinks_splits_or_closes_it(filled_by: list[int], left: list[tuple[int, int]]) -> None:
    """What is left keeps the instant of the whole."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(1)), Delivery(JOURNALS[0], Seq(7))])
    assert stored.apply(Delivery(JOURNALS[0], Seq(seq)) for seq in filled_by) == [Admission.FILLS_HOLE] * len(filled_by)
    assert sorted((hole.seq_from, hole.seq_to) for hole in stored.holes.values()) == left
    assert {hole.captured_after for hole in stored.holes.values()} <= {_captured_at(1)}


def test_a_dead_letter_is_a_hole_of_its_own_until_it_comes_mended() -> None:
    """The watermark goes on over it, without a capture time, for that could not be read."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(1)), Delivery(JOURNALS[0], Seq(2), readable=False)])
    assert list(stored.holes.values()) == [
        Hole(JOURNALS[0], Seq(2), Seq(2), HoleKind.DEAD_LETTER, _captured_at(1)),
    ]
    assert stored.marks[JOURNALS[0]] == Watermark(Seq(2), _captured_at(1))
    assert stored.apply([Delivery(JOURNALS[0], Seq(2), readable=False)]) == [Admission.DUPLICATE]
    assert stored.apply([Delivery(JOURNALS[0], Seq(2))]) == [Admission.FILLS_HOLE]
    assert stored.holes == {}
    assert stored.apply([Delivery(JOURNALS[0], Seq(2), readable=False)]) == [Admission.DUPLICATE]


def test_a_dead_letter_that_is_mended_where_the_watermark_stands_moves_its_instant() -> None:
    """It is the latest that is known of the journal, and may be its seal."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(1)), Delivery(JOURNALS[0], Seq(2), readable=False)])
    assert stored.apply([Delivery(JOURNALS[0], Seq(2), sealed=True)]) == [Admission.FILLS_HOLE]
    assert stored.marks[JOURNALS[0]] == Watermark(Seq(2), _captured_at(2), sealed=True)


def test_a_dead_letter_that_is_discarded_leaves_no_hole() -> None:
    """Its neighbours stay; what still comes of it is a duplicate, mended or not."""
    stored = Stored()
    stored.apply(Delivery(JOURNALS[0], Seq(seq), readable=False) for seq in (1, 2, 3))
    assert stored.discard(JOURNALS[0], Seq(2))
    assert sorted((hole.seq_from, hole.seq_to) for hole in stored.holes.values()) == [(1, 1), (3, 3)]
    later = [Delivery(JOURNALS[0], Seq(2)), Delivery(JOURNALS[0], Seq(2), readable=False)]
    assert stored.apply(later) == [Admission.DUPLICATE] * 2
    assert not stored.discard(JOURNALS[0], Seq(2))


@given(_deliveries(), st.integers(1, SEQ_MAX).map(Seq))
def test_only_an_open_dead_letter_can_be_discarded(deliveries: list[Delivery], seq: Seq) -> None:
    """What is missing may still come; what was applied stays applied."""
    stored = Stored()
    stored.apply(deliveries)
    dead = stored.seqs(JOURNALS[0], HoleKind.DEAD_LETTER)
    missing = stored.seqs(JOURNALS[0], HoleKind.MISSING)
    assert stored.discard(JOURNALS[0], seq) == (seq in dead)
    assert stored.seqs(JOURNALS[0], HoleKind.DEAD_LETTER) == [one for one in dead if one != seq]
    assert stored.seqs(JOURNALS[0], HoleKind.MISSING) == missing


def test_the_first_instant_that_is_known_of_a_journal_never_changes() -> None:
    """Neither with later records nor with older ones that come late."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(3))])
    stored.apply([Delivery(JOURNALS[0], Seq(4)), Delivery(JOURNALS[0], Seq(1))])
    assert stored.marks[JOURNALS[0]].first_captured_at == _captured_at(3)


def test_a_dead_letter_that_comes_late_takes_the_place_of_what_was_missing() -> None:
    """It is not missing any more, and still not applied; it was captured when the missing one was."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(1)), Delivery(JOURNALS[0], Seq(9))])
    assert stored.apply([Delivery(JOURNALS[0], Seq(5), readable=False)]) == [Admission.FILLS_HOLE]
    assert stored.seqs(JOURNALS[0], HoleKind.MISSING) == [2, 3, 4, 6, 7, 8]
    assert stored.holes[JOURNALS[0], Seq(5)] == Hole(JOURNALS[0], Seq(5), Seq(5), HoleKind.DEAD_LETTER, _captured_at(1))


def test_a_journal_is_sealed_by_its_last_record_only() -> None:
    """One that goes on after all is not; what comes late into a hole unseals nothing."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(1)), Delivery(JOURNALS[0], Seq(3), sealed=True)])
    assert stored.marks[JOURNALS[0]].sealed
    stored.apply([Delivery(JOURNALS[0], Seq(2))])
    assert stored.marks[JOURNALS[0]].sealed
    stored.apply([Delivery(JOURNALS[0], Seq(4))])
    assert not stored.marks[JOURNALS[0]].sealed


def test_a_book_in_which_nothing_changed_has_nothing_to_store() -> None:
    """A batch of records that were applied before writes nothing."""
    stored = Stored()
    stored.apply(SHUFFLED)
    book = SeqBook(stored.marks, stored.holes.values())
    assert {_admit(book, one) for one in SHUFFLED} == {Admission.DUPLICATE}
    assert (book.changed_watermarks, book.holes_gone, book.holes_made) == ({}, [], [])


@given(_deliveries(), st.sets(st.integers(0, 40)))
@example(SHUFFLED, {1, 2, 3, 4, 5, 6})
def test_closing_holes_in_between_loses_nothing(deliveries: list[Delivery], cuts: set[int]) -> None:
    """Whatever is closed whenever: what comes is admitted as if nothing had been, and the same seqs are not there."""
    left_alone, closed_often = Stored(), Stored()
    for batch in _split(deliveries, cuts):
        assert closed_often.apply(batch) == left_alone.apply(batch)
        closed_often.close()
    assert closed_often.marks == left_alone.marks
    for journal in JOURNALS:
        for kind in HoleKind:
            assert closed_often.seqs(journal, kind) == left_alone.seqs(journal, kind)


@given(_deliveries(), _deliveries())
def test_what_is_left_of_a_closed_hole_is_closed_and_nothing_else_is(
    before: list[Delivery], after: list[Delivery]
) -> None:
    """Neither a split nor a neighbour opens it; what is missing from later on is open."""
    stored = Stored()
    stored.apply(before)
    given_up = {journal: set(stored.seqs(journal, HoleKind.MISSING)) for journal in JOURNALS}
    stored.close()
    stored.apply(after)
    for hole in stored.holes.values():
        seqs = set(range(hole.seq_from, hole.seq_to + 1))
        if hole.closed is None:
            assert hole.kind is HoleKind.DEAD_LETTER or not seqs & given_up[hole.journal]
        else:
            assert (hole.closed, hole.kind) == (GIVEN_UP, HoleKind.MISSING)
            assert seqs <= given_up[hole.journal]


def test_a_dead_letter_that_comes_into_a_closed_hole_is_open() -> None:
    """It is not missing any more, and a person can still replay it."""
    stored = Stored()
    stored.apply([Delivery(JOURNALS[0], Seq(4))])
    stored.close()
    assert stored.apply([Delivery(JOURNALS[0], Seq(2), readable=False)]) == [Admission.FILLS_HOLE]
    states = [(hole.seq_from, hole.kind, hole.closed) for hole in stored.holes.values()]
    assert sorted(states) == [
        (1, HoleKind.MISSING, GIVEN_UP),
        (2, HoleKind.DEAD_LETTER, None),
        (3, HoleKind.MISSING, GIVEN_UP),
    ]
    assert stored.apply([Delivery(JOURNALS[0], Seq(2))]) == [Admission.FILLS_HOLE]


def test_what_is_left_of_a_hole_was_opened_when_the_whole_was() -> None:
    """And neighbours that become one, when the older one was."""
    opened_at = datetime(2022, 3, 1, tzinfo=UTC)
    hole = Hole(JOURNALS[0], Seq(1), Seq(3), HoleKind.DEAD_LETTER, NOTHING_CAPTURED, opened_at)
    book = SeqBook({JOURNALS[0]: Watermark(Seq(3))}, [hole])
    book.admit(JOURNALS[0], Seq(2), _captured_at(2))
    assert book.holes_made == [replace(hole, seq_to=Seq(1)), replace(hole, seq_from=Seq(3))]
    book = SeqBook({JOURNALS[0]: Watermark(Seq(3))}, [hole])
    book.admit_dead_letter(JOURNALS[0], Seq(4))
    assert book.holes_made == [replace(hole, seq_to=Seq(4))]
