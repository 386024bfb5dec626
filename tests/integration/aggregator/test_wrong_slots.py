"""A slot that its first counted click does not hold is found by a check, and given back to it by a rebuild."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.raw_days.store import RawDayStore
from aggregator.rebuilding.store import rebuild_session
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import execute, fetch

DAMAGES = {
    "gone": ("DELETE FROM slot WHERE visitor = 'v'", 1),
    "another's": ("UPDATE slot SET log_offset = log_offset + 1", 2),
    "invented": ("INSERT INTO slot SELECT day, advocate_id, 'nobody', 1, 0, 0, journal, 1 FROM slot LIMIT 1", 1),
    "all gone": ("TRUNCATE slot", 2),
}


async def _said(pipe: Pipe, *arguments: str) -> Result:
    run = CliRunner().invoke
    return await asyncio.to_thread(run, main, [*arguments, "--postgres-dsn", pipe.dsn], catch_exceptions=False)


@pytest.mark.parametrize(("damage", "slots"), DAMAGES.values(), ids=DAMAGES.keys())
async def test_wrong_slots_are_found_and_mended(pipe: Pipe, damage: str, slots: int) -> None:
    """Then a check agrees, and whoever comes next is judged as if nothing had been."""
    pen = Pen()
    visitors: Sequence[str | None] = ("v", "v", "w", None)
    await pipe.take(*(pen.write(replace(PLAIN_CLICK, visitor=visitor)) for visitor in visitors))
    assert (await _said(pipe, "check")).exit_code == 0
    await execute(pipe.dsn, damage)
    checked = await _said(pipe, "check")
    assert (checked.exit_code, f"{slots} slots are not held" in checked.stdout) == (1, True)
    told = json.loads((await _said(pipe, "check", "--json")).stdout)
    assert (told["agrees"], told["slots_differing"]) == (False, slots)
    rebuilt = await _said(pipe, "rebuild")
    assert f"{slots} slots are held by their first counted clicks again." in rebuilt.stdout
    assert "corrected 0." in rebuilt.stdout
    assert (await _said(pipe, "check")).exit_code == 0
    await pipe.take(pen.write(replace(PLAIN_CLICK, visitor="v")))
    assert await pipe.drift() == []


async def test_slots_stay_whose_raw_clicks_were_let_go_since_they_were_looked_at(pipe: Pipe) -> None:
    """Who holds one holds it on: else the next of the visitor's clicks would count again."""
    await pipe.take(Pen().write(replace(PLAIN_CLICK, visitor="v")))
    held = await fetch(pipe.dsn, "SELECT * FROM slot")
    assert len(held) == 1
    async with rebuild_session(pipe.dsn) as session:
        assert await RawDayStore(pipe.pool).let_go(PLAIN_CLICK.occurred_at.date())
        assert await session.mend_slots(PLAIN_CLICK.occurred_at.date()) == 0
    assert await fetch(pipe.dsn, "SELECT * FROM slot") == held
