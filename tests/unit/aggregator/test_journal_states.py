"""`complete_through` promises no more than every known journal can keep, and whoever holds it back is named."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.journals.retiring import Retirement, retirement
from aggregator.journals.states import (
    NAMED_MAX,
    HeldBack,
    HeldBackBy,
    JournalState,
    KnownJournal,
    complete_through,
    held_back_by,
)
from link_events.identity import JournalId
from stage.journals import JOURNAL

NOW = datetime(2022, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def _heard(at: datetime, **more: object) -> KnownJournal:
    """A journal that goes on, heard of everywhere up to `at`."""
    return KnownJournal(**{"journal": JOURNAL, "last_captured_at": at, "applied_up_to": at, **more})  # type: ignore[arg-type]


SEALED = KnownJournal(JOURNAL, NOW - HOUR, sealed=True)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (_heard(NOW), JournalState.LIVE),
        (_heard(NOW - MINUTE), JournalState.LIVE),
        (_heard(NOW - MINUTE - SECOND), JournalState.SILENT),
        (_heard(NOW + HOUR), JournalState.LIVE),
        (_heard(NOW - HOUR, last_captured_at=NOW), JournalState.SILENT),
        (KnownJournal(JOURNAL, None), JournalState.SILENT),
        (SEALED, JournalState.SEALED),
        (KnownJournal(JOURNAL, NOW, sealed=True, unheard=1, unheard_after=NOW - HOUR), JournalState.LIVE),
        (KnownJournal(JOURNAL, NOW - HOUR, sealed=True, unheard=1, unheard_after=NOW - HOUR), JournalState.SILENT),
        (_heard(NOW - HOUR, retired_at=NOW - MINUTE), JournalState.RETIRED),
        (_heard(NOW - MINUTE, retired_at=NOW - MINUTE), JournalState.RETIRED),
        (KnownJournal(JOURNAL, None, retired_at=NOW), JournalState.RETIRED),
        (_heard(NOW - SECOND, retired_at=NOW - MINUTE), JournalState.LIVE),
        (_heard(NOW - HOUR, retired_at=NOW - 2 * HOUR), JournalState.SILENT),
        (KnownJournal(JOURNAL, NOW, sealed=True, retired_at=NOW), JournalState.SEALED),
    ],
)
def test_a_journal_is_what_its_least_advanced_partition_says(known: KnownJournal, state: JournalState) -> None:
    """Sealed only everywhere; retired until it speaks again; never heard of is silent."""
    assert known.state(NOW, MINUTE) is state


@pytest.mark.parametrize(
    ("journals", "complete"),
    [
        ([], NOW),
        ([_heard(NOW - HOUR)], NOW - HOUR),
        ([_heard(NOW - HOUR), _heard(NOW)], NOW - HOUR),
        ([_heard(NOW - HOUR, missing_after=NOW - 2 * HOUR)], NOW - 2 * HOUR),
        ([_heard(NOW - 2 * HOUR, missing_after=NOW - HOUR)], NOW - 2 * HOUR),
        ([SEALED], NOW),
        ([KnownJournal(JOURNAL, NOW, sealed=True, missing_after=NOW - HOUR)], NOW - HOUR),
        ([_heard(NOW + HOUR)], NOW),
        ([_heard(NOW, unheard=1, unheard_after=NOW - HOUR)], NOW - HOUR),
        ([_heard(NOW - HOUR, retired_at=NOW)], NOW),
        ([_heard(NOW - HOUR, unheard=3, unheard_after=NOW - 2 * HOUR, retired_at=NOW)], NOW),
        ([_heard(NOW - HOUR, missing_after=NOW - HOUR, retired_at=NOW)], NOW - HOUR),
        ([_heard(NOW - SECOND, retired_at=NOW - HOUR)], NOW - SECOND),
    ],
)
def test_counts_are_complete_up_to_the_slowest_journal_or_the_first_hole(
    journals: list[KnownJournal], complete: datetime
) -> None:
    """All sealed or retired is complete as of now; a clock ahead of ours promises nothing."""
    assert complete_through(NOW, journals) == complete


@pytest.mark.parametrize(
    ("unattributed", "complete"),
    [(NOW - HOUR, NOW - HOUR - timedelta.resolution), (NOW - 3 * HOUR, NOW - 3 * HOUR - timedelta.resolution)],
)
def test_what_waits_for_the_attributor_is_not_complete(unattributed: datetime, complete: datetime) -> None:
    """It is applied and in no counts: they are complete up to right before it, and never further than journals say."""
    assert complete_through(NOW, [SEALED], unattributed) == complete
    assert complete_through(NOW, [_heard(NOW - 2 * HOUR)], unattributed) == min(NOW - 2 * HOUR, complete)


@pytest.mark.parametrize(
    ("known", "since", "why"),
    [
        (_heard(NOW - HOUR), NOW - HOUR, HeldBackBy.SILENT),
        (_heard(NOW, missing_after=NOW - HOUR), NOW - HOUR, HeldBackBy.HOLE),
        (_heard(NOW - HOUR, missing_after=NOW - 2 * HOUR), NOW - 2 * HOUR, HeldBackBy.HOLE),
        (_heard(NOW, unheard=1, unheard_after=NOW - HOUR), NOW - HOUR, HeldBackBy.UNHEARD),
    ],
)
def test_a_journal_that_holds_it_back_is_named_with_what_does_most(
    known: KnownJournal, since: datetime, why: HeldBackBy
) -> None:
    """And with its state, which the reason need not be."""
    assert held_back_by(NOW, [known], MINUTE) == [HeldBack(JOURNAL, known.state(NOW, MINUTE), since, why)]


@pytest.mark.parametrize(
    "known",
    [
        _heard(NOW - MINUTE),
        _heard(NOW, missing_after=NOW - MINUTE),
        _heard(NOW + HOUR),
        SEALED,
        _heard(NOW - HOUR, retired_at=NOW),
        KnownJournal(JOURNAL, None),
    ],
)
def test_nobody_is_named_when_all_is_well(known: KnownJournal) -> None:
    """A heartbeat's time behind is well; so is whoever said its last word, or was given up."""
    assert held_back_by(NOW, [known], MINUTE) == []


def test_of_many_those_furthest_behind_are_named() -> None:
    """An answer stays small."""
    journals = [_heard(NOW - number * HOUR, journal=JournalId(bytes([number] * 8))) for number in range(1, 31)]
    named = held_back_by(NOW, journals, MINUTE)
    assert [one.since for one in named] == [NOW - number * HOUR for number in range(30, 30 - NAMED_MAX, -1)]


_instants = st.timedeltas(-2 * HOUR, 2 * HOUR).map(lambda away: NOW + away)
_journals = st.builds(
    KnownJournal,
    journal=st.binary(min_size=8, max_size=8).map(JournalId),
    last_captured_at=st.none() | _instants,
    applied_up_to=st.none() | _instants,
    sealed=st.booleans(),
    unheard=st.integers(0, 1),
    unheard_after=st.none() | _instants,
    missing_after=st.none() | _instants,
    retired_at=st.none() | _instants,
)


@given(st.lists(_journals, max_size=NAMED_MAX))
def test_who_is_named_and_how_far_it_goes_agree(journals: list[KnownJournal]) -> None:
    """Somebody is named exactly where it is not recent, and the first who is named is who it waits for."""
    complete, named = complete_through(NOW, journals), held_back_by(NOW, journals, MINUTE)
    assert complete <= NOW
    assert bool(named) == (NOW - complete > MINUTE)
    assert not named or named[0].since == complete
    assert all(one.state is not JournalState.RETIRED or one.why is HeldBackBy.HOLE for one in named)


@pytest.mark.parametrize(
    ("known", "force", "ending"),
    [
        (None, True, Retirement.UNKNOWN),
        (SEALED, True, Retirement.SEALED),
        (_heard(NOW), False, Retirement.LIVE),
        (_heard(NOW), True, Retirement.RETIRED),
        (_heard(NOW - HOUR), False, Retirement.RETIRED),
        (_heard(NOW - HOUR, retired_at=NOW), True, Retirement.RETIRED_BEFORE),
        (_heard(NOW - HOUR, retired_at=NOW - 2 * HOUR), False, Retirement.RETIRED),
    ],
)
def test_only_what_may_still_be_waited_for_is_retired(
    known: KnownJournal | None,
    force: bool,  # noqa: FBT001 - a parameter of a test
    ending: Retirement,
) -> None:
    """A live one only if that is insisted on; one that spoke since it was retired again."""
    assert retirement(known, NOW, MINUTE, force=force) is ending
