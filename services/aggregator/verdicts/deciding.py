"""What a change of some verdicts comes to: for these clicks, and for all others of their slots. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from aggregator.applying.fold import Folded
from aggregator.judge import Judgement, Place, Repeats, Slot, contends, judge_slot
from link_events.identity import AdvocateId, EventId, LinkId, Origin
from link_events.reasons import VerdictCause
from link_events.streams import Stream

AGGREGATOR: Final = "aggregator"
"""Who changes a verdict that nobody asked for."""


@dataclass(frozen=True, slots=True)
class StoredClick:
    """A click as it is stored: where it stands, whose it is, and how it was judged last."""

    place: Place
    occurred_on: date
    day: date
    advocate_id: AdvocateId
    link_id: LinkId
    visitor: str | None
    judgement: Judgement
    verdict_version: int

    @property
    def event_id(self) -> EventId:
        """Its name."""
        return event_id_of(self.place)

    @property
    def slot(self) -> Slot | None:
        """The slot that it may hold."""
        return None if self.visitor is None else Slot(self.day, self.advocate_id, self.visitor, self.link_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants a click to be judged, who has seen this version of its verdict."""

    event: Origin
    verdict_version: int
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Why:
    """What a verdict was changed for, in a word and in a sentence, and by whom."""

    cause: VerdictCause
    sentence: str
    actor: str


NOBODY_ASKED: Final = Why(VerdictCause.SLOT, "its slot was judged anew", AGGREGATOR)


class Fate(StrEnum):
    """What became of a wish. Nothing is changed by those after the first."""

    CHANGED = "changed"
    SAME = "same"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A click, what it is judged from now on, and why."""

    click: StoredClick
    judgement: Judgement
    why: Why


@dataclass(frozen=True, slots=True)
class Decision:
    """Verdicts that change, and who holds slots from now on: None where nobody does any more."""

    changes: Sequence[VerdictChange] = ()
    holders: Mapping[Slot, Place | None] = field(default_factory=dict)


def event_id_of(place: Place) -> EventId:
    """The name of the click that stands there."""
    return Origin(place.journal, Stream.CLICKS, place.partition, place.seq).event_id


def asked_for(wanted: Iterable[Wanted], stored: Iterable[StoredClick]) -> Mapping[Place, Judgement]:
    """What is wanted of clicks that are there and are judged still as they were seen."""
    versions = {one.event_id: (one.place, one.verdict_version) for one in stored}
    return {
        versions[one.event.event_id][0]: one.judgement
        for one in wanted
        if versions.get(one.event.event_id, (None, None))[1] == one.verdict_version
    }


def fates_of(
    wanted: Iterable[Wanted], stored: Iterable[StoredClick], asked: Mapping[Place, Judgement], decision: Decision
) -> Sequence[Fate]:
    """What became of each wish, in order."""
    known = {one.event_id: one for one in stored}
    changed = {change.click.event_id for change in decision.changes}

    def fate(event_id: EventId) -> Fate:
        if event_id not in known:
            return Fate.UNKNOWN
        if known[event_id].place not in asked:
            return Fate.STALE
        return Fate.CHANGED if event_id in changed else Fate.SAME

    return [fate(one.event.event_id) for one in wanted]


def slots_touched(asked: Mapping[Place, Judgement], stored: Iterable[StoredClick]) -> set[Slot]:
    """The slots that may be held by another once these clicks are judged so."""
    return {
        one.slot
        for one in stored
        if one.place in asked and one.slot and (contends(one.judgement) or contends(asked[one.place]))
    }


def decide(
    asked: Mapping[Place, Judgement],
    why: Why,
    clicks: Collection[StoredClick],
    held: Mapping[Slot, Place],
    *,
    slots: Iterable[Slot],
    repeats: Repeats,
) -> Decision:
    """What follows where some of `clicks` are judged as `asked`, and whole `slots` with them.

    `clicks` are all of these slots, and those asked for; `held` says who holds which of the slots now.
    """
    judged = {one.place: asked.get(one.place, one.judgement) for one in clicks}
    holders: dict[Slot, Place | None] = {}
    whys = dict.fromkeys(asked, why)
    for slot in slots:
        inside = {one.place: judged[one.place] for one in clicks if one.slot == slot}
        before = held.get(slot)
        unseen = before if before is not None and before not in inside else None
        holder, settled = judge_slot(inside, repeats, unseen)
        if holder != before:
            holders[slot] = holder
        for place, judgement in settled.items():
            if judgement != judged[place]:
                whys.setdefault(place, _follows(judgement, holder, before))
                judged[place] = judgement
    changes = [
        VerdictChange(one, judged[one.place], whys[one.place]) for one in clicks if judged[one.place] != one.judgement
    ]
    return Decision(changes, holders)


def add_differences(decision: Decision, held: Mapping[Slot, Place], folded: Folded) -> None:
    """What a decision changes counts by. `held`: all slots, of every link, of the visitors that it is about."""
    for change in decision.changes:
        click, verdict = change.click, change.judgement.verdict
        if verdict is not click.judgement.verdict:
            folded.advocate_day[click.advocate_id, click.day].turn(click.judgement.verdict, verdict)
            folded.link_day[click.link_id, click.day].turn(click.judgement.verdict, verdict)
    before = set(held)
    after = (before | decision.holders.keys()) - {slot for slot, holder in decision.holders.items() if holder is None}
    for slots, others, sign in ((before, after, -1), (after, before, 1)):
        for slot in slots - others:
            folded.link_day[slot.link_id, slot.day].visitors += sign
        for day, advocate_id, _visitor in {slot[:3] for slot in slots} - {slot[:3] for slot in others}:
            folded.advocate_day[advocate_id, day].visitors += sign


def _follows(judgement: Judgement, holder: Place | None, before: Place | None) -> Why:
    """Why a click that nobody asked for is judged anew: for who holds its slot now, or held it."""
    if contends(judgement) and not judgement.reasons:
        told = f"{event_id_of(before)} does not hold its slot any more" if before else "nobody else holds its slot"
    else:
        told = f"{event_id_of(holder)} holds its slot" if holder else "its slot is held"
    return Why(VerdictCause.SLOT, told, AGGREGATOR)
