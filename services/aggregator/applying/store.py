"""The one transaction in which a batch becomes counts, and where every partition stands.

Its first statement moves the partition's offset by compare-and-set; where nothing moves, somebody else was faster and
everything is rolled back. Every call may raise DatabaseAwayError; whether a batch was committed is then read from the
offset row, never guessed.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from aggregator.applying.batch import DeadLetter, ReadRecord
from aggregator.applying.click_rows import CLICK_COLUMNS, copied
from aggregator.applying.facts import FactsWritten, write_facts
from aggregator.applying.fold import ClickCounts, Folded
from aggregator.applying.gathering import Contender, Gathered, KnownVisitor
from aggregator.applying.seqs import Closing, Hole, SeqBook, Watermark
from aggregator.conversions.store import KeyTakenError
from aggregator.judge import Place, Slot
from aggregator.programme.store import Programme, hold_programme, read_programme
from aggregator.verdicts.store import judge_slots
from database.pool import Connection, Pool, connected, only_row
from database.queries import columns, load_queries
from event_log.contract import StrayRecord
from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind, StopReason
from link_events.streams import Offset, Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

IDLE_IN_BATCH_MAX: Final = timedelta(seconds=5)
"""Between two statements of a batch lies some judging: a second at the very most."""

_IDLE_MAX: Final = f"{IDLE_IN_BATCH_MAX.total_seconds():.0f}s"

SESSIONS: Final = "advolink aggregator applying "
"""What the sessions that batches run in are called in Postgres, before their owner: so whoever takes a partition over
finds them."""


COUNTS_COLUMNS: Final = 7
"""Of each list of rows that `add_counts` takes."""


class OvertakenError(Exception):
    """The offset row is not where we believed it to be: read it again and go on from there."""


class DayGoneError(OvertakenError):
    """The raw partition of a day that a batch needs was let go after it was made."""


class LostPartitionError(Exception):
    """Another aggregator has taken the partition over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that is ours, where it stands, and the programme its days are cut by."""

    stream: Stream
    partition: Partition
    next_offset: Offset
    owner_epoch: int
    programme: Programme
    stopped: StopReason | None = None


class StandingReader:
    """How far the log is applied, and what is missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standings(self, stream: Stream) -> Mapping[Partition, Offset]:
        """The next offset to be applied of every partition."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["standings"], stream)
        return {Partition(row["partition"]): Offset(row["next_offset"]) for row in rows}

    async def open_holes(self) -> Mapping[str, int]:
        """How many seqs are missing, by kind of hole."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["open_holes"])
        return {row["kind"]: row["seqs"] for row in rows}


class ApplyingStore(StandingReader):
    """Everything the aggregator writes while it applies events."""

    def __init__(self, pool: Pool, owner: str) -> None:
        super().__init__(pool)
        self._owner = owner
        self._days_made: set[date] = set()

    async def claim(self, stream: Stream, partition: Partition) -> Claim:
        """Take a partition over from nobody, or from an owner whose lease has run out.

        Raises:
            LostPartitionError: another has it.
        """
        async with connected(self._pool) as connection, connection.transaction():
            programme = await hold_programme(connection)
            await connection.execute(_SQL["make_offset"], stream, partition)
            await connection.execute(_SQL["evict"], stream, partition, SESSIONS, self._owner)
            row = await connection.fetchrow(_SQL["claim"], stream, partition, self._owner)
        if row is None:
            raise LostPartitionError(f"{stream}/{partition} is held by another aggregator")
        return _claim(stream, partition, dict(row), programme)

    async def reload(self, stream: Stream, partition: Partition) -> Claim:
        """Where a partition of ours stands now.

        Raises:
            LostPartitionError: it is not ours any more.
        """
        async with connected(self._pool) as connection, connection.transaction(isolation="repeatable_read"):
            row = only_row(await connection.fetchrow(_SQL["standing"], stream, partition))
            if row["owner"] != self._owner:
                raise LostPartitionError(f"{stream}/{partition} belongs to {row['owner'] or 'nobody'} now")
            programme = await read_programme(connection)
        return _claim(stream, partition, dict(row), programme)

    async def stop(self, claim: Claim, reason: StopReason, detail: str) -> None:
        """Write down why a partition of ours stands still; it may not be ours any more."""
        async with connected(self._pool) as connection:
            key = (claim.stream, claim.partition, claim.owner_epoch)
            await connection.execute(_SQL["stop"], *key, reason, detail)

    async def resume(self, claim: Claim) -> Claim:
        """Take back that a partition stands still."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["resume"], claim.stream, claim.partition, claim.owner_epoch)
        return replace(claim, stopped=None)

    async def ensure_days(self, days: Collection[date]) -> None:
        """Make the raw partitions of UTC dates before a batch needs them; of each date Postgres is asked once."""
        for day in sorted(set(days) - self._days_made):
            await ensure_day(self._pool, day)
            self._days_made.add(day)

    @asynccontextmanager
    async def batch(self, claim: Claim, next_offset: Offset) -> AsyncIterator["BatchWriter"]:
        """The transaction that takes a partition from where `claim` stands to `next_offset`.

        Raises:
            OvertakenError: the offset row has moved, or its owner has changed.
            DayGoneError: a raw partition is not there any more; from now on each is asked for again.
        """
        async with connected(self._pool) as connection, connection.transaction():
            key = (claim.stream, claim.partition)
            expected = (claim.next_offset, claim.owner_epoch)
            if not await connection.fetchval(_SQL["move_offset"], *key, next_offset, *expected, _IDLE_MAX):
                raise OvertakenError(f"{claim.stream}/{claim.partition} is no longer at {claim.next_offset}")
            try:
                yield BatchWriter(connection, claim.stream, claim.partition)
            except DayGoneError:
                self._days_made.clear()
                raise


class BatchWriter:
    """Writes inside one batch's transaction. Rows go in key order, so that transactions never wait in a circle."""

    def __init__(self, connection: Connection, stream: Stream, partition: Partition) -> None:
        self._connection = connection
        self._key = (stream, partition)

    async def book(self, journals: Collection[JournalId]) -> SeqBook:
        """Watermarks and holes of `journals` in this partition."""
        rows = await self._connection.fetch(_SQL["watermarks"], *self._key, list(journals))
        marks = {JournalId(row["journal"]): _watermark(dict(row)) for row in rows}
        rows = await self._connection.fetch(_SQL["holes"], *self._key, list(journals))
        return SeqBook(marks, [_hole(dict(row)) for row in rows])

    async def write_book(self, book: SeqBook) -> None:
        """Store what has changed in `book`."""
        marks = book.changed_watermarks
        if marks:
            await self._put("put_watermarks", [_watermark_row(journal, mark) for journal, mark in marks.items()])
        if book.holes_gone:
            await self._put("drop_holes", [(hole.journal, hole.seq_from) for hole in book.holes_gone])
        if book.holes_made:
            await self._put("put_holes", [_hole_row(hole) for hole in book.holes_made])

    async def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep what cannot be applied, with its bytes; what is kept already, and is read again, stays as it is."""
        if dead_letters:
            await self._put("put_dead_letters", [_dead_letter_row(dead) for dead in dead_letters])

    async def write_clicks(self, clicks: Gathered) -> None:
        """Settle who gets which slot, store raw clicks by binary COPY, and add what they add up to to the counts.

        Where one comes before the click that holds its slot (a dead letter that is replayed, a log read from further
        back), whole slots are judged anew. Last of all that a batch does: from here on the partition's counter of
        changes is held.

        Raises:
            DayGoneError: the raw partition of a day is not there any more.
        """
        if not clicks.rows:
            return
        overtaken = clicks.settle(await self._take_slots(clicks.contenders))
        await self._copy(clicks.rows)
        if overtaken:
            decision, held = await judge_slots(self._connection, overtaken, clicks.repeats)
            clicks.note(decision, held)
        await self.add_counts(clicks.folded)

    async def write_facts(self, facts: Sequence[ReadRecord], zone: ZoneInfo) -> FactsWritten:
        """Keep what others reported, and what follows of it. Last of all likewise: activities change counts, too."""
        try:
            return await write_facts(self._connection, self._key[1], facts, zone)
        except KeyTakenError as error:
            raise OvertakenError(str(error)) from error

    async def _take_slots(self, contenders: Mapping[Slot, Contender]) -> Sequence[KnownVisitor]:
        """Give every slot that nobody holds to the one that asks; of which visitors something was there before."""
        if not contenders:
            return ()
        slots = list(contenders)
        columns = [*zip(*slots, strict=True), *zip(*(one.place for one in contenders.values()), strict=True)]
        try:
            rows = await self._connection.fetch(_SQL["take_slots"], *map(list, columns))
        except asyncpg.UniqueViolationError as error:
            raise OvertakenError(f"a slot was taken from another partition: {error}") from error
        return [_known_visitor(slots, dict(row)) for row in rows]

    async def _copy(self, rows: Sequence[bytes]) -> None:
        try:
            await self._connection.copy_to_table("click", source=copied(rows), columns=CLICK_COLUMNS, format="binary")
        except asyncpg.CheckViolationError as error:
            if error.constraint_name is not None:
                raise
            raise DayGoneError(str(error)) from error

    async def add_counts(self, folded: Folded) -> None:
        """Add to the counts. Nothing is written after them."""
        folded.add_quarters()
        if not (folded.advocate_day or folded.link_day):
            return
        lists = [_counts_columns(counts) for counts in (folded.link_day, folded.advocate_day, folded.advocate_quarter)]
        changes = sum(len(columns[0]) for columns in lists)
        await self._connection.execute(_SQL["add_counts"], self._key[1], changes, *chain.from_iterable(lists))

    async def _put(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._connection.execute(_SQL[query], *self._key, *columns(rows))


async def hold_partition(connection: Connection, stream: Stream, partition: Partition) -> None:
    """Keep every batch of a partition waiting until the caller's transaction ends.

    Neither the partition's offset nor its epoch moves: a batch that waits goes on as if nothing had been.
    """
    await connection.execute(_SQL["hold_partition"], stream, partition, _IDLE_MAX)


async def hold_every_partition(connection: Connection) -> None:
    """The same for all of them, in order."""
    await connection.execute(_SQL["hold_every_partition"], _IDLE_MAX)


async def ensure_day(pool: Pool, day: date) -> None:
    """Make the raw partition of a UTC date where it is missing, in a transaction of its own."""
    async with connected(pool) as connection:
        await connection.execute(_SQL["ensure_day"], day)


def _claim(stream: Stream, partition: Partition, row: Mapping[str, Any], programme: Programme) -> Claim:
    stopped = StopReason(row["stopped"]) if row["stopped"] else None
    return Claim(stream, partition, Offset(row["next_offset"]), row["owner_epoch"], programme, stopped)


def _watermark(row: Mapping[str, Any]) -> Watermark:
    return Watermark(Seq(row["seq"]), row["captured_at"], row["sealed"], row["first_captured_at"])


def _watermark_row(journal: JournalId, mark: Watermark) -> tuple[Any, ...]:
    return (journal, mark.seq, mark.captured_at, mark.sealed, mark.first_captured_at)


def _hole(row: Mapping[str, Any]) -> Hole:
    seqs = (Seq(row["seq_from"]), Seq(row["seq_to"]))
    closed = None if row["closed_at"] is None else Closing(row["closed_at"], row["closed_why"])
    since = (row["captured_after"], row["opened_at"])
    return Hole(JournalId(row["journal"]), *seqs, HoleKind(row["kind"]), *since, closed)


def _hole_row(hole: Hole) -> tuple[Any, ...]:
    closed = (None, None) if hole.closed is None else (hole.closed.closed_at, hole.closed.why)
    return (hole.journal, hole.seq_from, hole.seq_to, hole.kind, hole.captured_after, hole.opened_at, *closed)


def _known_visitor(asked: Sequence[Slot], row: Mapping[str, Any]) -> KnownVisitor:
    names = ("holder_partition", "holder_offset", "holder_journal", "holder_seq")
    holder = Place(*(row[name] for name in names)) if row["is_held"] else None
    return KnownVisitor(asked[row["number"] - 1], holder)


def _dead_letter_row(dead: DeadLetter) -> tuple[Any, ...]:
    logged = dead.logged
    why = (dead.reason, dead.detail, logged.logged_at)
    if isinstance(logged, StrayRecord):
        return (logged.offset, None, None, logged.value, *why)
    return (logged.offset, logged.record.journal, logged.record.seq, logged.record.value, *why)


def _counts_columns(counts: Mapping[tuple[Any, date], ClickCounts]) -> list[list[Any]]:
    """Rows of a counts table by columns, in key order: key, day, raw, counted, not counted, in review, visitors."""
    rows = [
        (name, day, one.raw, one.counted, one.not_counted, one.review, one.visitors)
        for (name, day), one in sorted(counts.items())
    ]
    return columns(rows) or [[] for _ in range(COUNTS_COLUMNS)]
