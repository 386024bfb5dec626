"""What keeps numbers right, each of which can be switched off in a test build: then chaos must find wrong numbers.

Every switch replaces something by its name and fails where the name is gone, so that none is ever without effect.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import ModuleType
from typing import Any, Final

from aggregator.applying import store as applying_store
from aggregator.applying.consumer import PartitionConsumer
from aggregator.applying.seqs import Run, SeqBook, Watermark
from aggregator.attributing import store as attributing_store
from event_log.postgres import PostgresEventLog
from redirector.journal import journal as journaling
from redirector.journal.journal import Journal
from redirector.journal.segments import write_all
from stage.chaos.seams import replace_attribute
from stage.sql import execute


class Guard(StrEnum):
    """A guard, and what happens without it."""

    JOURNAL_WRITE = "journal_write"
    """Clicks are answered before they are written: they lie in the process for up to 100 ms, as in a buffer."""
    LOG_RECONCILE = "log_reconcile"
    """A shipper never asks the log what it has, and sends again what it has not noted as acked."""
    WATERMARK = "watermark"
    """Every record counts as new."""
    CLICK_PKEY = "click_pkey"
    """The table of raw clicks takes any click twice. A constraint of the database, dropped there."""
    COMPARE_AND_SET = "compare_and_set"
    """A batch moves the offset row wherever it stands and whoever owns the partition."""
    EVICTION = "eviction"
    """Whoever takes a partition over lets the sessions of its former owner live."""
    LEASE_LOSS = "lease_loss"
    """An aggregator that finds that it has lost a partition finishes the batch that it is about to apply."""
    MARKS = "marks"
    """The attributor drops every mark of a conversion that it has looked at, also one that came meanwhile."""


def switch_off(guard: Guard) -> None:
    """Switch a guard off in this process."""
    if guard in _IN_PROCESS:
        _IN_PROCESS[guard]()


async def switch_off_in_database(guard: Guard, dsn: str) -> None:
    """Switch a guard off in the database at `dsn`."""
    if guard is Guard.CLICK_PKEY:
        await execute(dsn, "ALTER TABLE click DROP CONSTRAINT click_pkey")


def _without_journal_write() -> None:
    written: deque[tuple[int, bytes, int]] = deque()

    def write_later(descriptor: int, data: bytes, position: int) -> None:
        written.append((descriptor, data, position))

    def wrapped(sync: Callable[[Journal], Any]) -> Callable[[Journal], Any]:
        async def sync_after_writing(self: Journal) -> None:
            while written:
                write_all(*written.popleft())
            await sync(self)

        return sync_after_writing

    replace_attribute(journaling, "write_all", lambda _: write_later)
    replace_attribute(Journal, "sync", wrapped)


def _without_log_reconcile() -> None:
    async def last_seq(*_place: object) -> None:
        """As a log that cannot know."""

    replace_attribute(PostgresEventLog, "last_seq", lambda _: last_seq)


def _without_watermark() -> None:
    def admit_runs(self: SeqBook, runs: Iterable[Run]) -> bool:
        for run in runs:
            mark = self._marks.get(run.journal, Watermark(first_captured_at=run.first_captured_at))
            seq = max(mark.seq, run.seq_to)
            self._marks[run.journal] = Watermark(seq, run.captured_at, run.sealed, mark.first_captured_at)
        return True

    replace_attribute(SeqBook, "admit_runs", lambda _: admit_runs)


def _without_compare_and_set() -> None:
    unmoved, any_place = "next_offset = $4 AND owner_epoch = $5", "($4::bigint, $5::bigint) IS NOT NULL"
    _rewrite(applying_store, "move_offset", unmoved, any_place)


def _without_eviction() -> None:
    _rewrite(applying_store, "evict", "NOT EXISTS (", "false AND NOT EXISTS (")


def _without_lease_loss() -> None:
    def wrapped(apply: Callable[..., Any]) -> Callable[..., Any]:
        async def apply_whatever_happens(*batch: object) -> object:
            return await asyncio.shield(asyncio.ensure_future(apply(*batch)))

        return apply_whatever_happens

    replace_attribute(PartitionConsumer, "_apply", wrapped)


def _without_marks() -> None:
    of_the_same = "conversion_id IN (SELECT conversion_id FROM conversion_mark WHERE mark_id = ANY($1))"
    _rewrite(attributing_store, "drop_marks", "mark_id = ANY($1)", of_the_same)


def _rewrite(store: ModuleType, query: str, part: str, replacement: str) -> None:
    """Replace a part of one of a store's statements."""
    queries = vars(store)["_SQL"]
    text = queries[query]
    if text.count(part) != 1:
        raise LookupError(f"{query} does not say {part!r} any more")
    replace_attribute(store, "_SQL", lambda _: {**queries, query: text.replace(part, replacement)})


_IN_PROCESS: Final[Mapping[Guard, Callable[[], None]]] = {
    Guard.JOURNAL_WRITE: _without_journal_write,
    Guard.LOG_RECONCILE: _without_log_reconcile,
    Guard.WATERMARK: _without_watermark,
    Guard.COMPARE_AND_SET: _without_compare_and_set,
    Guard.EVICTION: _without_eviction,
    Guard.LEASE_LOSS: _without_lease_loss,
    Guard.MARKS: _without_marks,
}
