"""Judged clicks gathered to be written: their rows, what they add to counts, and the slots that they ask for. Pure.

Within a batch a slot is asked for once: whatever comes later is a repeat, whoever holds it. Whether somebody does is
known when Postgres was asked; until then all that ask are taken to get theirs, as nearly all do.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from aggregator.applying.click_rows import click_row, judged_anew
from aggregator.applying.fold import Folded, JudgedClick
from aggregator.judge import Judgement, Place, Repeats, Slot, repeated, slot_of
from aggregator.verdicts.deciding import Decision, add_differences
from link_events.identity import AdvocateId, Origin
from link_events.reasons import Verdict, VerdictCause
from link_events.streams import Offset
from link_events.values import value

Judged = tuple[Verdict, tuple[str, ...]]


@value(frozen=True, slots=True)
class Contender:
    """A click that asks for its slot: which row is its, where it stands, and what it is if it gets the slot."""

    row: int
    origin: Origin
    offset: Offset
    judgement: Judgement

    @property
    def place(self) -> Place:
        """Where it stands in canonical order."""
        return Place(self.origin.partition, self.offset, self.origin.journal, self.origin.seq)


@dataclass(frozen=True, slots=True)
class KnownVisitor:
    """A slot asked for by a visitor whom its advocate had on that day already; and who holds it, if somebody does."""

    slot: Slot
    holder: Place | None


@dataclass(slots=True)
class Gathered:
    """The clicks of a batch, or the one that is replayed, while `repeats` is the programme's."""

    repeats: Repeats
    rows: list[bytes] = field(default_factory=list)
    folded: Folded = field(default_factory=Folded)
    contenders: dict[Slot, Contender] = field(default_factory=dict)
    judged: Counter[Judged] = field(default_factory=Counter)
    captured_at: list[datetime] = field(default_factory=list)
    changed: Counter[VerdictCause] = field(default_factory=Counter)
    slots_overtaken: int = 0
    _visitors: set[tuple[date, AdvocateId, str]] = field(default_factory=set)

    def take(self, clicks: Iterable[JudgedClick]) -> None:
        """More clicks, in canonical order."""
        settled = [self._asking(row, one) for row, one in enumerate(clicks, len(self.rows))]
        self.rows += map(click_row, settled)
        self.folded.add(settled)
        self.judged.update([(one.judgement.verdict, one.judgement.reasons) for one in settled])
        self.captured_at += [one.captured_at for one in settled]

    def settle(self, known: Iterable[KnownVisitor]) -> Collection[Slot]:
        """Take back what those that asked do not get; and the slots whose holder comes after the one that asked."""
        overtaken = []
        for one in known:
            day, advocate_id, visitor, link_id = one.slot
            if (day, advocate_id, visitor) in self._visitors:
                self._visitors.remove((day, advocate_id, visitor))
                self.folded.advocate_day[advocate_id, day].visitors -= 1
            if one.holder is not None:
                self.folded.link_day[link_id, day].visitors -= 1
                if self.contenders[one.slot].place < one.holder:
                    overtaken.append(one.slot)
                elif self.repeats is Repeats.DAY:
                    self._make_repeat(one.slot, self.contenders[one.slot])
        return overtaken

    def note(self, decision: Decision, held: Mapping[Slot, Place]) -> None:
        """What followed for clicks that were there before."""
        add_differences(decision, held, self.folded)
        self.slots_overtaken += len(decision.holders)
        self.changed.update(change.why.cause for change in decision.changes)

    def _asking(self, row: int, one: JudgedClick) -> JudgedClick:
        """The click as it is if it gets the slot that it asks for; a repeat where another has asked before."""
        slot = slot_of(one.click, one.local_day, one.judgement)
        if slot is None:
            return one
        if slot in self.contenders:
            return one if self.repeats is Repeats.NONE else replace(one, judgement=repeated(one.judgement))
        self.contenders[slot] = Contender(row, one.origin, one.offset, one.judgement)
        day, advocate_id, visitor, link_id = slot
        self.folded.link_day[link_id, day].visitors += 1
        if (of_advocate := (day, advocate_id, visitor)) not in self._visitors:
            self._visitors.add(of_advocate)
            self.folded.advocate_day[advocate_id, day].visitors += 1
        return one

    def _make_repeat(self, slot: Slot, contender: Contender) -> None:
        before, after = contender.judgement, repeated(contender.judgement)
        self.rows[contender.row] = judged_anew(self.rows[contender.row], before, after)
        self.judged[before.verdict, before.reasons] -= 1
        self.judged[after.verdict, after.reasons] += 1
        self.folded.advocate_day[slot.advocate_id, slot.day].turn(before.verdict, after.verdict)
        self.folded.link_day[slot.link_id, slot.day].turn(before.verdict, after.verdict)
