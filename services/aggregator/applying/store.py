"""The one transaction in which a batch becomes counts, and where every partition stands.

Its first statement moves the partition's offset by compare-and-set; where nothing moves, somebody else was faster and
everything is rolled back. Every call may raise DatabaseAwayError; whether a batch was committed is then read from the
offset row, never guessed.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any, Final

import orjson

from aggregator.applying.batch import DeadLetter
from aggregator.applying.fold import ClickCounts, Folded, JudgedClick
from aggregator.applying.seqs import Hole, SeqBook, Watermark
from aggregator.programme.store import Programme, hold_programme, read_programme
from database.pool import Connection, Pool, connected, only_row
from database.queries import load_queries
from link_events.identity import JournalId, Seq
from link_events.reasons import HoleKind
from link_events.streams import Offset, Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

_CLICK_COLUMNS: Final = (
    "journal",
    "partition",
    "seq",
    "occurred_on",
    "log_offset",
    "occurred_at",
    "captured_at",
    "logged_at",
    "local_day",
    "link_id",
    "code",
    "advocate_id",
    "link_state",
    "method",
    "user_agent",
    "user_agent_cut",
    "referrer_origin",
    "language",
    "signals",
    "country",
    "networks",
    "network_key",
    "visitor",
    "self_click",
    "test",
    "verdict",
    "reasons",
    "rules_version",
)


class OvertakenError(Exception):
    """The offset row is not where we believed it to be: read it again and go on from there."""


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
        """Take a partition over."""
        async with connected(self._pool) as connection, connection.transaction():
            programme = await hold_programme(connection)
            await connection.execute(_SQL["make_offset"], stream, partition)
            row = only_row(await connection.fetchrow(_SQL["claim"], stream, partition, self._owner))
        return Claim(stream, partition, Offset(row["next_offset"]), row["owner_epoch"], programme)

    async def reload(self, stream: Stream, partition: Partition) -> Claim:
        """Where a partition of ours stands now.

        Raises:
            LostPartitionError: it is not ours any more.
        """
        async with connected(self._pool) as connection, connection.transaction(isolation="repeatable_read"):
            row = only_row(await connection.fetchrow(_SQL["standing"], stream, partition))
            if row["owner"] != self._owner:
                raise LostPartitionError(f"{stream}/{partition} belongs to {row['owner']} now")
            programme = await read_programme(connection)
        return Claim(stream, partition, Offset(row["next_offset"]), row["owner_epoch"], programme)

    async def ensure_days(self, days: Collection[date]) -> None:
        """Make the raw partitions of UTC dates, in a transaction of its own each, before a batch needs them."""
        for day in sorted(set(days) - self._days_made):
            async with connected(self._pool) as connection:
                await connection.execute(_SQL["ensure_day"], day)
            self._days_made.add(day)

    @asynccontextmanager
    async def batch(self, claim: Claim, next_offset: Offset) -> AsyncIterator["BatchWriter"]:
        """The transaction that takes a partition from where `claim` stands to `next_offset`.

        Raises:
            OvertakenError: the offset row has moved, or its owner has changed.
        """
        async with connected(self._pool) as connection, connection.transaction():
            key = (claim.stream, claim.partition)
            expected = (claim.next_offset, claim.owner_epoch)
            if not await connection.fetchval(_SQL["move_offset"], *key, next_offset, *expected):
                raise OvertakenError(f"{claim.stream}/{claim.partition} is no longer at {claim.next_offset}")
            yield BatchWriter(connection, claim.stream, claim.partition)


class BatchWriter:
    """Writes inside one batch's transaction. Rows go in key order, so that transactions never wait in a circle."""

    def __init__(self, connection: Connection, stream: Stream, partition: Partition) -> None:
        self._connection = connection
        self._key = (stream, partition)

    async def book(self, journals: Collection[JournalId]) -> SeqBook:
        """Watermarks and open holes of `journals` in this partition."""
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
        """Keep what cannot be applied, with its bytes."""
        if dead_letters:
            await self._put("put_dead_letters", [_dead_letter_row(dead) for dead in dead_letters])

    async def write_clicks(self, clicks: Sequence[JudgedClick], folded: Folded) -> None:
        """Store raw clicks by binary COPY, and add what they add up to to the counts."""
        if not clicks:
            return
        rows = [_click_row(one) for one in clicks]
        await self._connection.copy_records_to_table("click", records=rows, columns=_CLICK_COLUMNS)
        await self._add("add_link_day", folded.link_day)
        await self._add("add_advocate_day", folded.advocate_day)
        await self._add("add_advocate_quarter", folded.advocate_quarter)

    async def _put(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._connection.execute(_SQL[query], *self._key, *map(list, zip(*rows, strict=True)))

    async def _add(self, query: str, counts: Mapping[tuple[Any, date], ClickCounts]) -> None:
        rows = [
            (name, day, one.raw, one.counted, one.not_counted, one.review)
            for (name, day), one in sorted(counts.items())
        ]
        await self._connection.execute(_SQL[query], *map(list, zip(*rows, strict=True)))


def _watermark(row: Mapping[str, Any]) -> Watermark:
    return Watermark(Seq(row["seq"]), row["captured_at"], row["sealed"], row["first_captured_at"])


def _watermark_row(journal: JournalId, mark: Watermark) -> tuple[Any, ...]:
    return (journal, mark.seq, mark.captured_at, mark.sealed, mark.first_captured_at)


def _hole(row: Mapping[str, Any]) -> Hole:
    seqs = (Seq(row["seq_from"]), Seq(row["seq_to"]))
    return Hole(JournalId(row["journal"]), *seqs, HoleKind(row["kind"]), row["captured_after"])


def _hole_row(hole: Hole) -> tuple[Any, ...]:
    return (hole.journal, hole.seq_from, hole.seq_to, hole.kind, hole.captured_after)


def _dead_letter_row(dead: DeadLetter) -> tuple[Any, ...]:
    logged = dead.logged
    record = logged.record
    return (logged.offset, record.journal, record.seq, record.value, dead.reason, dead.detail, logged.logged_at)


def _click_row(one: JudgedClick) -> tuple[Any, ...]:
    """One row, in the order of _CLICK_COLUMNS."""
    click, judgement = one.click, one.judgement
    return (
        one.origin.journal,
        one.origin.partition,
        one.origin.seq,
        click.occurred_at.astimezone(UTC).date(),
        one.offset,
        click.occurred_at,
        one.captured_at,
        one.logged_at,
        one.local_day,
        click.link_id,
        click.code,
        click.advocate_id,
        click.link_state,
        click.method,
        click.user_agent,
        click.user_agent_cut,
        click.referrer_origin,
        click.language,
        orjson.dumps(click.signals).decode(),
        click.country,
        click.networks,
        click.network_key,
        click.visitor,
        click.self_click,
        click.test,
        judgement.verdict,
        judgement.reasons,
        judgement.rules_version,
    )
