"""When so much cannot be read that the fault is likelier ours than the records': the partition stops instead. Pure.

A deploy whose decoder is broken would otherwise turn everything into dead letters. Only clicks, facts and dead letters
count here, for heartbeats would hide how many of the others cannot be read. Each record is looked at in its place in
the log, so how the log was cut into batches decides nothing but how much was applied before the stop.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aggregator.applying.batch import Admitted

RECORDS: Final = 1_000
"""The latest clicks or facts and dead letters of a partition that are looked at. Of an aggregator that has just
started, those it has not seen count as good: a handful of dead letters at its start stops nothing."""

DEAD_LETTERS_MIN: Final = 10
"""So many among them never stop a partition, however low the limit is set."""

RATIO_MAX: Final = 0.1
"""One in ten, unless it is set otherwise. A broken decoder fails nearly all."""

OFF: Final = 1.0
"""The ratio that switches the limit off."""


class DeadLetterRatioError(Exception):
    """Too many of a partition's records cannot be applied. Nothing of the batch may be."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What was committed of a partition: how many records, and the places of the latest dead letters among them."""

    seen: int = 0
    dead: tuple[int, ...] = ()


NOTHING_RECENT: Final = Recent()


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """At most `ratio_max` (0 to 1; 1 is off) of the latest `records` may be dead letters."""

    ratio_max: float = RATIO_MAX
    records: int = RECORDS
    dead_letters_min: int = DEAD_LETTERS_MIN

    def check(self, recent: Recent, admitted: Admitted) -> Recent:
        """What is recent after a batch, to be remembered once it is committed.

        Raises:
            DeadLetterRatioError: the batch is not to be committed.
        """
        read, bad = admitted.clicks or admitted.facts, admitted.dead_letters  # a stream carries one or the other
        good = [one.logged.offset for one in read] if bad else []
        places = [bisect_left(good, one.logged.offset) + before for before, one in enumerate(bad)]
        return self.check_places(recent, len(read) + len(bad), places)

    def check_places(self, recent: Recent, count: int, dead: Sequence[int]) -> Recent:
        """The same of `count` new records, those at the places `dead` (ascending, from 0) among them dead letters."""
        known = [*recent.dead, *(recent.seen + place for place in dead)]
        if self.ratio_max < OFF:
            for index in range(len(recent.dead), len(known)):
                self._look_at(known, index)
        seen = recent.seen + count
        return Recent(seen, tuple(known[bisect_right(known, seen - self.records) :]))

    def _look_at(self, dead: Sequence[int], index: int) -> None:
        """Whether the dead letter at `index` is one too many among the latest records up to it."""
        first = bisect_right(dead, dead[index] - self.records)
        among = index + 1 - first
        if among > self.dead_letters_min and among > self.ratio_max * self.records:
            raise DeadLetterRatioError(
                f"{among} of the latest {self.records} events cannot be applied, more than {self.ratio_max:.1%}"
            )
