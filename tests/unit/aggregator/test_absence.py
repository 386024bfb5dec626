"""An event that is no raw click says why: in a word that never changes, and in a sentence for a person."""

from datetime import UTC, date, datetime, timedelta

import pytest

from aggregator.clicks.absence import Absence, DeadEvent, Whereabouts, why_absent
from aggregator.holes.stored import StoredHole
from aggregator.journals.states import KnownJournal
from aggregator.raw_days.horizon import KEPT_FROM_EVER
from link_events.identity import Origin, Seq
from link_events.reasons import DeadLetterEnd, DeadLetterReason, HoleKind
from link_events.streams import Partition, Stream
from stage.journals import JOURNAL

NOON = datetime(2022, 2, 14, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
ORIGIN = Origin(JOURNAL, Stream.CLICKS, Partition(7), Seq(42))
KNOWN = KnownJournal(JOURNAL, NOON, applied_up_to=NOON)
RETIRED = KnownJournal(JOURNAL, NOON, applied_up_to=NOON, retired_at=LATER, retired_why="its disk is gone")
SEALED = KnownJournal(JOURNAL, NOON, sealed=True)
APPLIED = (Seq(100), NOON)
FIRST = Origin(JOURNAL, Stream.CLICKS, Partition(7), Seq(40))


def _hole(kind: HoleKind = HoleKind.MISSING, closed_at: datetime | None = None) -> StoredHole:
    return StoredHole(FIRST, Seq(44), kind, NOON, NOON, closed_at, "nobody has it" if closed_at else None)


def _dead(closed_as: DeadLetterEnd | None = None) -> DeadEvent:
    closed_at, why = (None, None) if closed_as is None else (LATER, "a load test")
    return DeadEvent(17, DeadLetterReason.NOT_JSON, closed_as, closed_at, why)


def _about(**known: object) -> Whereabouts:
    plain: dict[str, object] = {"journal": KNOWN, "applied_to": APPLIED, "hole": None, "dead": None}
    return Whereabouts(ORIGIN, **{**plain, "kept_from": KEPT_FROM_EVER, **known})  # type: ignore[arg-type]


SINCE = "it is missing since 2022-02-14T12:00:00Z, one of 5 from 00c0ffee00c0ffee-c7-40 on"


@pytest.mark.parametrize(
    ("known", "why", "sentence"),
    [
        (_about(journal=None, applied_to=None), Absence.UNKNOWN_JOURNAL, "nothing of its journal was ever applied"),
        (
            _about(applied_to=None),
            Absence.NOT_APPLIED,
            "it is not applied yet: nothing of its journal is, in partition 7",
        ),
        (
            _about(applied_to=(Seq(41), NOON)),
            Absence.NOT_APPLIED,
            "it is not applied yet: its journal is up to 41 in partition 7, captured 2022-02-14T12:00:00Z",
        ),
        (
            _about(journal=RETIRED, applied_to=None),
            Absence.NOT_APPLIED,
            (
                "it is not applied yet: nothing of its journal is, in partition 7;"
                " that was retired 2022-02-15T12:00:00Z: its disk is gone"
            ),
        ),
        (
            _about(journal=SEALED, applied_to=(Seq(41), NOON)),
            Absence.NOT_APPLIED,
            (
                "it is not applied: its journal is up to 41 in partition 7, captured 2022-02-14T12:00:00Z;"
                " that is sealed, nothing more will come of it"
            ),
        ),
        (_about(hole=_hole()), Absence.MISSING, SINCE),
        (
            _about(hole=_hole(closed_at=LATER)),
            Absence.MISSING,
            f"{SINCE}; given up 2022-02-15T12:00:00Z: nobody has it",
        ),
        (
            _about(hole=_hole(HoleKind.DEAD_LETTER), dead=_dead()),
            Absence.DEAD_LETTER,
            "it could not be read (not_json): it is dead letter 17",
        ),
        (_about(hole=_hole(HoleKind.DEAD_LETTER)), Absence.DEAD_LETTER, "it could not be read, and is not kept"),
        (
            _about(dead=_dead(DeadLetterEnd.DISCARDED)),
            Absence.DEAD_LETTER,
            "it could not be read (not_json): it is dead letter 17, discarded 2022-02-15T12:00:00Z: a load test",
        ),
        (
            _about(),
            Absence.NO_CLICK,
            "it was applied and is no click, but a heartbeat or its journal's last word",
        ),
        (_about(dead=_dead()), Absence.NO_CLICK, None),
        (_about(dead=_dead(DeadLetterEnd.REPLAYED)), Absence.NO_CLICK, None),
        (
            _about(kept_from=date(2022, 2, 1)),
            Absence.LET_GO,
            "it was applied; it is a click of before 2022-02-01, whose raw form was let go, or no click at all",
        ),
        (_about(kept_from=date(2022, 2, 1), hole=_hole()), Absence.MISSING, SINCE),
        (_about(kept_from=date(2022, 2, 1), applied_to=(Seq(41), NOON)), Absence.NOT_APPLIED, None),
    ],
)
def test_what_is_known_of_an_event_says_why_it_is_no_click(
    known: Whereabouts, why: Absence, sentence: str | None
) -> None:
    """What is sure goes before what may be: a hole before a horizon. One filled by a good copy was applied."""
    word, said = why_absent(known)
    assert word is why
    assert sentence is None or said == sentence
