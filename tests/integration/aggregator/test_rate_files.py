"""`advolink rates load` hands a file to the aggregator, and names what is wrong by its line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.app import build_public_app
from database.keys import KeyStore, Scope
from http_api.listening import TcpAddress
from http_api.serving import Binding, served
from stage.pipe import Pipe
from stage.ports import free_port
from stage.sql import fetch, fetch_value

STORED = "SELECT currency, valid_from, rate::text FROM rate ORDER BY currency, valid_from"
HEADER = "currency,valid_from,rate\n"

Load = Callable[[str], Result]


def _environment(port: int, key: str) -> dict[str, str]:
    aggregator = f"http://127.0.0.1:{port}"
    return {
        "ADVOLINK_REDIRECTOR_URL": "http://127.0.0.1:1",
        "ADVOLINK_AGGREGATOR_URL": aggregator,
        "ADVOLINK_API_KEY": key,
    }


@pytest.fixture
async def load(pipe: Pipe, tmp_path: Path) -> AsyncIterator[Load]:
    """Load a file of some content, by an aggregator's API that is served. It blocks: call it in a thread."""
    port, key = free_port(), await KeyStore(pipe.pool).create("test", [Scope.ADMIN])
    runner, file = CliRunner(env=_environment(port, key)), tmp_path / "rates.csv"

    def loaded(content: str) -> Result:
        file.write_text(content, encoding="utf-8")
        return runner.invoke(main, ["rates", "load", str(file)])

    async with served(Binding(build_public_app(pipe.pool), TcpAddress("127.0.0.1", port))):
        yield loaded


async def test_a_file_is_loaded_and_loading_it_again_changes_nothing(pipe: Pipe, load: Load) -> None:
    """Its columns stand in any order, as other programs write them."""
    content = (
        "\N{ZERO WIDTH NO-BREAK SPACE}rate,currency,valid_from\r\n0.0871,SEK,2026-01-01\r\n0.9312,USD,2026-01-01\r\n"
    )
    first = await asyncio.to_thread(load, content)
    assert (first.exit_code, first.output) == (0, "2 rates, 2 of them new or others than before.\n")
    again = await asyncio.to_thread(load, content)
    assert (again.exit_code, again.output) == (0, "2 rates, 0 of them new or others than before.\n")
    first_of_january = date(2026, 1, 1)
    assert await fetch(pipe.dsn, STORED) == [
        ("SEK", first_of_january, "0.087100000000"),
        ("USD", first_of_january, "0.931200000000"),
    ]


async def test_a_long_file_goes_in_parts_of_a_thousand(pipe: Pipe, load: Load) -> None:
    """Of which one with a fault is left out whole, with what is behind it."""
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(2_500)]
    lines = [f"SEK,{day},0.1" for day in days]
    lines[1_200] = f"SEK,{days[1_200]},free"
    refused = await asyncio.to_thread(load, HEADER + "\n".join(lines))
    assert refused.exit_code == 1
    assert "line 1202: rate: " in refused.output
    assert "Lines 1002 to 2001 were not set, nor any behind them: 422" in refused.output
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM rate") == 1_000
    lines[1_200] = f"SEK,{days[1_200]},0.1"
    done = await asyncio.to_thread(load, HEADER + "\n".join(lines))
    assert done.output == "2500 rates, 1500 of them new or others than before.\n"


async def test_a_file_that_cannot_be_loaded_changes_nothing(pipe: Pipe, load: Load) -> None:
    for content, said in (
        ("", "the first line names the columns"),
        ("SEK,2026-01-01,0.0871\n", "the first line names the columns: currency,valid_from,rate"),
        (f"{HEADER}SEK,2026-01-01\n", "line 2: not 3 columns"),
        (f"{HEADER}SEK,2026-01-01,0.0871,1\n", "line 2: not 3 columns"),
        (f'{HEADER}"SEK,2026-01-01,0.0871', "is no CSV"),
        (f"{HEADER}EUR,2026-01-01,1", "line 2: currency: EUR is the programme's own"),
        (f"{HEADER}SEK,2026-01-01,1\nSEK,2026-01-01,2", "line 3: a row before it is of the same currency and day"),
    ):
        refused = await asyncio.to_thread(load, content)
        assert refused.exit_code == 1, content
        assert said in " ".join(refused.output.split())
        assert await fetch(pipe.dsn, STORED) == [], content


def test_an_aggregator_that_is_not_there_is_named(tmp_path: Path) -> None:
    file, port = tmp_path / "rates.csv", free_port()
    file.write_text(f"{HEADER}SEK,2026-01-01,0.0871\n", encoding="utf-8")
    refused = CliRunner(env=_environment(port, "adv_x")).invoke(main, ["rates", "load", str(file)])
    assert refused.exit_code == 1
    assert f"http://127.0.0.1:{port} cannot be reached" in refused.output


def test_a_stack_that_does_not_run_is_said(tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(HEADER, encoding="utf-8")
    refused = CliRunner().invoke(main, ["rates", "load", str(file), "--data-dir", str(tmp_path)])
    assert (refused.exit_code, "Nothing runs here" in refused.output) == (1, True)
