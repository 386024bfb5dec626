"""What we write in Postgres's own format, asyncpg reads back as the values that went in, column by column."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.applying.click_rows import CLICK_COLUMNS, ROWS_SENT, click_row, copied
from aggregator.applying.fold import JudgedClick
from aggregator.judge import Judgement
from link_events.identity import JournalId, Origin, Seq
from link_events.reasons import LinkState, Reason, Verdict
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK, clicks, instants, origins, texts
from stage.sql import session

TWIN: Final = "CREATE TEMPORARY TABLE twin (LIKE click INCLUDING DEFAULTS)"
"""The same columns without raw partitions: any date goes."""

MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
PLAIN: Final = JudgedClick(
    origin=Origin(JournalId(b"journal1"), Stream.CLICKS, Partition(3), Seq(1)),
    captured_at=PLAIN_CLICK.occurred_at,
    offset=Offset(0),
    logged_at=PLAIN_CLICK.occurred_at + timedelta(seconds=1, microseconds=1),
    click=PLAIN_CLICK,
    local_day=date(2022, 2, 13),
    judgement=Judgement(Verdict.COUNTED, (), "plain-2"),
)
FULL: Final = replace(
    PLAIN,
    click=replace(
        PLAIN_CLICK,
        link_state=LinkState.EXPIRED,
        user_agent="\N{SNOWMAN}" * 512,
        user_agent_cut=True,
        referrer_origin="https://exämple.com",
        language="",
        signals={"sec-purpose": 'pre"fetch\\', "x-new": "\N{GRINNING FACE}\n"},
        country="DE",
        networks=("datacentre", "", 'a,"b"{}\\', "NULL"),
        network_key="k" * 3_000,
        visitor="",
        self_click=True,
        test=True,
    ),
    judgement=Judgement(Verdict.NOT_COUNTED, (Reason.PREFETCH, "named_bot:x", Reason.TEST), "plain-2"),
)


def _at(instant: datetime) -> JudgedClick:
    return replace(
        PLAIN, captured_at=instant, local_day=instant.date(), click=replace(PLAIN_CLICK, occurred_at=instant)
    )


EDGES: Final = [
    *(PLAIN, FULL, _at(EPOCH), _at(EPOCH - MICROSECOND), _at(EPOCH + MICROSECOND), _at(datetime.now(UTC))),
    *(_at(datetime(2000, 2, 29, 23, 59, 59, 999_999, UTC)), _at(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))),
    replace(PLAIN, captured_at=EPOCH),
]


def _judged_clicks() -> st.SearchStrategy[JudgedClick]:
    reasons = st.lists(st.sampled_from(Reason) | texts(), max_size=3).map(tuple)
    return st.builds(
        JudgedClick,
        origin=origins(st.just(Stream.CLICKS)),
        captured_at=instants(),
        offset=st.integers(0, 2**63 - 1).map(Offset),
        logged_at=instants(),
        click=clicks(),
        local_day=st.dates(),
        judgement=st.builds(Judgement, st.sampled_from(Verdict), reasons, texts()),
    )


def _expected(one: JudgedClick) -> dict[str, Any]:
    """The row, as whoever reads it with asyncpg wants to find it."""
    click, judgement = one.click, one.judgement
    same = {name: getattr(click, name) for name in CLICK_COLUMNS if hasattr(click, name)}
    return same | {
        "journal": one.origin.journal,
        "partition": one.origin.partition,
        "seq": one.origin.seq,
        "occurred_on": click.occurred_at.date(),
        "log_offset": one.offset,
        "captured_at": one.captured_at,
        "logged_at": one.logged_at,
        "local_day": one.local_day,
        "networks": list(click.networks),
        "verdict": judgement.verdict,
        "reasons": list(judgement.reasons),
        "rules_version": judgement.rules_version,
    }


async def _stored(dsn: str, judged: Sequence[JudgedClick]) -> list[dict[str, Any]]:
    rows = [click_row(one) for one in judged]
    async with session(dsn) as connection:
        await connection.execute(TWIN)
        await connection.copy_to_table("twin", source=copied(rows), columns=CLICK_COLUMNS, format="binary")
        found = await connection.fetch(f"SELECT {', '.join(CLICK_COLUMNS)} FROM twin ORDER BY ctid")  # noqa: S608
    return [dict(row) | {"signals": orjson.loads(row["signals"])} for row in found]


@settings(max_examples=60)
@given(st.lists(_judged_clicks(), max_size=4))
@example([])
@example(EDGES)
@example([replace(PLAIN, offset=Offset(number)) for number in range(2 * ROWS_SENT + 1)])
def test_every_column_comes_back_as_it_went_in(module_dsn: str, judged: list[JudgedClick]) -> None:
    """NULLs and empty texts, arrays of nothing and of anything, any instant to the microsecond, in the order given."""
    assert asyncio.run(_stored(module_dsn, judged)) == [_expected(one) for one in judged]


def test_every_column_that_has_no_default_is_written(module_dsn: str) -> None:
    """A column that the schema gains has to be written here, or to have a default."""
    assert set(_expected(PLAIN)) == set(CLICK_COLUMNS)
    assert asyncio.run(_undefaulted(module_dsn)) <= set(CLICK_COLUMNS)


async def _undefaulted(dsn: str) -> set[str]:
    async with session(dsn) as connection:
        rows = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'click'::regclass AND attnum > 0 AND NOT atthasdef"
        )
    return {row["attname"] for row in rows}
