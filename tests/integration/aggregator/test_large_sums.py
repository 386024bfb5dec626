"""Sums of money have no limit: beyond 64 bits they are added, compared, corrected and answered exactly."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from link_events.identity import ConversionKey, Currency
from stage.pipe import Pipe
from stage.sql import execute
from stage.till import Till

SUM: Final = 27 * 10**18
ENLARGE: Final = """
    UPDATE credit SET value_minor = 9000000000000000000;
    UPDATE conversion SET credited_value_minor = 9000000000000000000;
"""


@pytest.fixture
async def enlarged(pipe: Pipe) -> Pipe:
    """After three sales of one click, each as large as its row can say; no count knows."""
    till = Till(pipe)
    touch = await till.click()
    for number in range(3):
        key = ConversionKey("shop", "sale", f"A-{number}")
        await till.sale(touch, key=key, value_minor=500, currency=Currency("EUR"))
    await execute(pipe.dsn, ENLARGE)
    return pipe


async def _run(pipe: Pipe, *arguments: str) -> Result:
    command = [*arguments, "--postgres-dsn", pipe.dsn]
    return await asyncio.to_thread(CliRunner().invoke, main, command, catch_exceptions=False)


async def test_they_are_compared_and_corrected(enlarged: Pipe) -> None:
    """In what machines read of a check, too."""
    checked = await _run(enlarged, "check", "--json")
    differences: list[dict[str, Any]] = json.loads(checked.stdout)["differences"]
    assert {_largest(one["stored"]) for one in differences} == {1_500}
    assert {_largest(one["expected"]) for one in differences} == {SUM}
    assert (await _run(enlarged, "rebuild")).exit_code == 0
    assert (await _run(enlarged, "check")).exit_code == 0


@pytest.mark.parametrize("model", ["", "&model=first"])
async def test_they_are_answered_as_whole_numbers(enlarged: Pipe, stats: httpx2.AsyncClient, model: str) -> None:
    """Under the model that counts and under another, of advocates and of links."""
    await _run(enlarged, "rebuild")
    for path in (
        f"/v1/advocates/ada.lovelace/counts?granularity=quarter{model}",
        f"/v1/advocates/ada.lovelace/counts?granularity=total{model}",
        f"/v1/counts?group_by=advocate&granularity=total{model}",
        f"/v1/counts?group_by=link&granularity=total{model}",
    ):
        rows = (await stats.get(path)).json()["rows"]
        sums = [(row["value_minor"], row["by_click_value_minor"]) for row in rows]
        assert (path, [sum(column) for column in zip(*sums, strict=True)]) == (path, [SUM, SUM])
        assert {type(value) for both in sums for value in both} == {int}


async def test_they_are_in_the_feed_and_beside_a_conversion(enlarged: Pipe, stats: httpx2.AsyncClient) -> None:
    """Whoever copies counts copies them exactly."""
    await _run(enlarged, "rebuild")
    changes = (await stats.get("/v1/changes")).json()["rows"]
    assert {_largest(row) for row in changes} == {SUM}
    (told,) = (await stats.get("/v1/conversions?source=shop&kind=sale&external_id=A-1")).json()["rows"]
    assert {_largest(row["results"]) for row in told["counts"]} == {SUM}


def _largest(row: Mapping[str, int]) -> int:
    return max(row["value_minor"], row["by_click_value_minor"])
