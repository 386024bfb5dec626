"""Slots: of a visitor's clicks on one link and local day, the first that counts holds the slot. Pure.

First is meant in canonical order, which is log order. A click without a visitor's key has no slot, and one that does
not count for another reason neither takes a slot nor is a repeat.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from aggregator.judge.judgement import Judgement
from link_events.events import Click
from link_events.identity import AdvocateId, JournalId, LinkId, Seq
from link_events.reasons import Reason, Verdict
from link_events.streams import Offset, Partition


class Repeats(StrEnum):
    """When a visitor's further clicks on a link are repeats, which do not count: on the same local day, or never."""

    DAY = "day"
    NONE = "none"


class Slot(NamedTuple):
    """One visitor, link and local day. The link's advocate keeps all that a visitor has of an advocate together."""

    day: date
    advocate_id: AdvocateId
    visitor: str
    link_id: LinkId


class Place(NamedTuple):
    """Where a click stands in canonical order. Its name comes last: in a topic made anew, offsets come again."""

    partition: Partition
    offset: Offset
    journal: JournalId
    seq: Seq


def slot_of(click: Click, day: date, judgement: Judgement) -> Slot | None:
    """The slot that a click would hold as far as it alone is concerned; None where it has none to hold."""
    if click.visitor is None or judgement.verdict is not Verdict.COUNTED:
        return None
    return Slot(day, click.advocate_id, click.visitor, click.link_id)


def repeated(judgement: Judgement) -> Judgement:
    """What a click that was to count is, where another holds its slot."""
    return Judgement(Verdict.NOT_COUNTED, (Reason.REPEAT,), judgement.rules_version)


def contends(judgement: Judgement) -> bool:
    """Whether a click that was judged so counts, or would if no other held its slot."""
    return judgement.verdict is Verdict.COUNTED or judgement.reasons == (Reason.REPEAT,)


def judge_slot(
    clicks: Mapping[Place, Judgement], repeats: Repeats, unseen: Place | None = None
) -> tuple[Place | None, Mapping[Place, Judgement]]:
    """Who holds a slot, if anybody, and what each of its clicks is then, given what each is or was by itself.

    `unseen` holds the slot whatever comes: its raw click was let go, and nobody can take back that it counts.
    """
    contenders = sorted(place for place, judgement in clicks.items() if contends(judgement))
    holder = unseen or next(iter(contenders), None)
    judged = dict(clicks)
    for place in contenders:
        version = clicks[place].rules_version
        counts = place == holder or repeats is Repeats.NONE
        judged[place] = Judgement(Verdict.COUNTED, (), version) if counts else repeated(clicks[place])
    return holder, judged
