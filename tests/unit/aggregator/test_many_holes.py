"""However many holes a partition has, a record costs the same, and dead letters in a row are one of them."""

import pytest

from aggregator.applying.seqs import NOTHING_CAPTURED, Admission, Hole, SeqBook
from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind
from stage.journaling import FIRST_CAPTURE

JOURNAL = JournalId(bytes(8))
MANY = 2_000


def _dead(seq_from: int, seq_to: int) -> Hole:
    return Hole(JOURNAL, Seq(seq_from), Seq(seq_to), HoleKind.DEAD_LETTER, NOTHING_CAPTURED)


def test_dead_letters_in_a_row_are_one_hole() -> None:
    """And one row to store, where a batch goes on with what the one before it left."""
    book = SeqBook({}, [])
    for seq in range(1, MANY + 1):
        book.admit_dead_letter(JOURNAL, Seq(seq))
    assert (book.holes_gone, book.holes_made) == ([], [_dead(1, MANY)])
    book = SeqBook(book.changed_watermarks, book.holes_made)
    book.admit_dead_letter(JOURNAL, Seq(MANY + 1))
    assert (book.holes_gone, book.holes_made) == ([_dead(1, MANY)], [_dead(1, MANY + 1)])


def test_a_dead_letter_between_two_joins_them() -> None:
    """Under the instant of the oldest: what is missing may be as old as that."""
    book = SeqBook({}, [])
    book.admit_dead_letter(JOURNAL, Seq(1))
    book.admit(JOURNAL, Seq(3), FIRST_CAPTURE)
    book.admit_dead_letter(JOURNAL, Seq(4))
    book.admit_dead_letter(JOURNAL, Seq(2))
    assert book.holes_made == [_dead(1, 2), Hole(JOURNAL, Seq(4), Seq(4), HoleKind.DEAD_LETTER, FIRST_CAPTURE)]


def test_holes_of_different_kinds_stay_apart() -> None:
    """They are told apart in metrics, and filled by different records."""
    book = SeqBook({}, [])
    book.admit_dead_letter(JOURNAL, Seq(1))
    book.admit(JOURNAL, Seq(3), FIRST_CAPTURE)
    assert [hole.kind for hole in book.holes_made] == [HoleKind.DEAD_LETTER, HoleKind.MISSING]


def test_a_hole_whose_ends_are_as_before_is_not_written() -> None:
    """Whatever happened to it in between."""
    before = SeqBook({}, [])
    before.admit_dead_letter(JOURNAL, Seq(1))
    before.admit_dead_letter(JOURNAL, Seq(2))
    book = SeqBook(before.changed_watermarks, before.holes_made)
    assert book.admit_dead_letter(JOURNAL, Seq(2)) is Admission.DUPLICATE
    assert (book.holes_gone, book.holes_made) == ([], [])


def test_a_record_is_compared_with_the_holes_beside_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a batch among many holes would take time by their square."""
    looks = 0
    holds = Hole.holds

    def counted(hole: Hole, seq: Seq) -> bool:
        nonlocal looks
        looks += 1
        return holds(hole, seq)

    monkeypatch.setattr(Hole, "holds", counted)
    book = SeqBook({}, [])
    for seq in range(1, MANY + 1, 2):
        book.admit_dead_letter(JOURNAL, Seq(seq))
        book.admit(JOURNAL, Seq(seq + 1), FIRST_CAPTURE)
    assert len(book.holes_made) == MANY / 2
    assert looks <= 4 * MANY
