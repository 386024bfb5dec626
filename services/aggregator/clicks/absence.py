"""Why an event is not among the raw clicks, or the conversions, from what is known of it. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from aggregator.holes.stored import StoredHole
from aggregator.journals.states import KnownJournal
from aggregator.raw_days.horizon import KEPT_FROM_EVER
from link_events.identity import Origin, Seq
from link_events.reasons import DeadLetterEnd, DeadLetterReason, HoleKind
from link_events.streams import Stream


class Absence(StrEnum):
    """Why there is no such click, or conversion."""

    UNKNOWN_JOURNAL = "unknown_journal"
    NOT_APPLIED = "not_applied"
    MISSING = "missing"
    DEAD_LETTER = "dead_letter"
    NO_CLICK = "no_click"
    NO_CONVERSION = "no_conversion"
    LET_GO = "let_go"


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """The latest dead letter that an event became; `closed_as` is None where nobody took it in hand."""

    dead_letter_id: int
    reason: DeadLetterReason
    closed_as: DeadLetterEnd | None
    closed_at: datetime | None
    closed_why: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of an event that is no raw click, or no conversion.

    `applied_to` is how far its journal is applied in its partition, and when that was captured; None: not at all.
    """

    origin: Origin
    journal: KnownJournal | None
    applied_to: tuple[Seq, datetime] | None
    hole: StoredHole | None
    dead: DeadEvent | None
    kept_from: date


def why_absent(known: Whereabouts) -> tuple[Absence, str]:
    """Why it is not there, in a word, and in a sentence that goes on after its name."""
    if known.journal is None:
        return Absence.UNKNOWN_JOURNAL, "nothing of its journal was ever applied"
    if known.applied_to is None or known.origin.seq > known.applied_to[0]:
        return Absence.NOT_APPLIED, _not_applied(known, known.journal)
    if known.hole is not None and known.hole.kind is HoleKind.MISSING:
        return Absence.MISSING, _missing(known.hole)
    if known.hole is not None or (known.dead is not None and known.dead.closed_as is DeadLetterEnd.DISCARDED):
        return Absence.DEAD_LETTER, _dead(known.dead)
    return _applied(known)


def _applied(known: Whereabouts) -> tuple[Absence, str]:
    if known.origin.stream is Stream.CONVERSIONS:  # which are kept for ever
        others = "a reversal, a heartbeat or its journal's last word"
        return Absence.NO_CONVERSION, f"it was applied and is no conversion, but {others}"
    if known.kept_from == KEPT_FROM_EVER:
        return Absence.NO_CLICK, "it was applied and is no click, but a heartbeat or its journal's last word"
    clicks = f"a click of before {known.kept_from}, whose raw form was let go"
    return Absence.LET_GO, f"it was applied; it is {clicks}, or no click at all"


def _not_applied(known: Whereabouts, journal: KnownJournal) -> str:
    place = f"in partition {known.origin.partition}"
    if known.applied_to is None:
        so_far = f"nothing of its journal is, {place}"
    else:
        seq, captured_at = known.applied_to
        so_far = f"its journal is up to {seq} {place}, captured {_at(captured_at)}"
    if journal.is_sealed:
        return f"it is not applied: {so_far}; that is sealed, nothing more will come of it"
    retired = f"; that was retired {_at(journal.retired_at)}: {journal.retired_why}" if journal.is_retired else ""
    return f"it is not applied yet: {so_far}{retired}"


def _missing(hole: StoredHole) -> str:
    since = f"it is missing since {_at(hole.opened_at)}, one of {hole.seqs} from {hole.first.event_id} on"
    return since if hole.closed_at is None else f"{since}; given up {_at(hole.closed_at)}: {hole.closed_why}"


def _dead(dead: DeadEvent | None) -> str:
    if dead is None:
        return "it could not be read, and is not kept"
    closed = "" if dead.closed_as is None else f", {dead.closed_as} {_at(dead.closed_at)}: {dead.closed_why}"
    return f"it could not be read ({dead.reason}): it is dead letter {dead.dead_letter_id}{closed}"


def _at(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
