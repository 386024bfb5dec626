"""`advolink import advocates` hands a directory of people to the redirector, and names what is wrong by its line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from advolink.__main__ import main
from http_api.listening import TcpAddress
from http_api.serving import Binding, served
from stage.ports import free_port
from stage.redirectors import RunningRedirector

pytestmark = pytest.mark.asyncio(loop_scope="module")

Import = Callable[..., Result]

PEOPLE = """\
\N{ZERO WIDTH NO-BREAK SPACE}advocate_id,display_name,team,roles,excluded,active,public_standings,from\r
ceo,Cleo,,executive;organiser,,,FALSE,2022-01-01\r
ann,"Ann, B.",sales,,,,,2022-01-01\r
ann,"Ann, B.",it,,,,,2022-02-15\r
"""


def _environment(redirector: str, key: str) -> dict[str, str]:
    return {
        "ADVOLINK_REDIRECTOR_URL": redirector,
        "ADVOLINK_AGGREGATOR_URL": "http://127.0.0.1:1",
        "ADVOLINK_API_KEY": key,
    }


@pytest_asyncio.fixture(loop_scope="module")
async def take(shared: RunningRedirector, tmp_path: Path) -> AsyncIterator[Import]:
    """Import a file of some content, by a redirector's API that is served. It blocks: call it in a thread."""
    port, file = free_port(), tmp_path / "people.csv"
    runner = CliRunner(env=_environment(f"http://127.0.0.1:{port}", shared.key))

    def taken(content: str | bytes, *options: str) -> Result:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return runner.invoke(main, ["import", "advocates", str(file), *options])

    async with served(Binding(shared.service.public, TcpAddress("127.0.0.1", port))):
        yield taken


async def _told(shared: RunningRedirector, advocate_id: str) -> dict[str, Any]:
    return dict((await shared.ask("GET", f"/v1/advocates/{advocate_id}")).json())


async def test_a_directory_is_imported_and_importing_it_again_changes_nothing(
    shared: RunningRedirector, take: Import
) -> None:
    """A mid-quarter change of team is two lines with two days."""
    dry = await asyncio.to_thread(take, PEOPLE, "--dry-run")
    told = "3 lines: 2 created, 1 changed, 0 same, 0 invalid."
    assert (dry.exit_code, dry.output) == (0, f"{told} Nothing was changed.\n")
    assert (await shared.ask("GET", "/v1/advocates/ceo")).status_code == HTTPStatus.NOT_FOUND
    first = await asyncio.to_thread(take, PEOPLE)
    assert (first.exit_code, first.output) == (0, f"{told}\n")
    ceo, ann = await _told(shared, "ceo"), await _told(shared, "ann")
    assert (ceo["roles"], ceo["team"], ceo["public_standings"]) == (["executive", "organiser"], None, False)
    assert ann["display_name"] == "Ann, B."
    assert [(row["from"], row["team"]) for row in ann["rows"]] == [("2022-01-01", "sales"), ("2022-02-15", "it")]
    again = await asyncio.to_thread(take, PEOPLE)
    assert (again.exit_code, again.output) == (0, "3 lines: 0 created, 0 changed, 3 same, 0 invalid.\n")


async def test_what_has_no_column_stays(shared: RunningRedirector, take: Import) -> None:
    """And an empty cell says that there is none, where that can be said."""
    await asyncio.to_thread(take, "advocate_id,display_name,team\nstay,Sue,sales\n")
    await asyncio.to_thread(take, "advocate_id,active\nstay,false\n")
    told = await _told(shared, "stay")
    assert (told["display_name"], told["team"], told["active"]) == ("Sue", "sales", False)
    await asyncio.to_thread(take, "advocate_id,team,active\nstay,,\n")
    told = await _told(shared, "stay")
    assert (told["display_name"], told["team"], told["active"]) == ("Sue", None, False)


async def test_wrong_lines_are_named_and_left_out(shared: RunningRedirector, take: Import) -> None:
    """The others are taken, also behind a thousand."""
    lines = [f"crowd.{number},sales" for number in range(1_200)]
    lines[3], lines[1_100] = "no body,sales", f"late,{'x' * 201}"
    result = await asyncio.to_thread(take, "advocate_id,team\n" + "\n".join(lines))
    assert result.exit_code == 1
    said = result.output.splitlines()
    assert said[0] == "line 5: advocate_id: Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
    assert said[1].startswith("line 1102: team: ")
    assert said[2:] == [
        "1200 lines: 1198 created, 0 changed, 0 same, 2 invalid.",
        "Error: Lines that are invalid were left out.",
    ]
    assert (await _told(shared, "crowd.1199"))["team"] == "sales"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "the first line names the columns: advocate_id and, if you like, display_name"),
        ("name\nann\n", "the first line names the columns"),
        ("advocate_id,advocate_id\nann,ann\n", "the first line names the columns"),
        ("advocate_id,team\nann\n", "line 2: not 2 columns"),
        (b"advocate_id\n\xff\n", "is no CSV in UTF-8"),
    ],
)
async def test_what_is_no_such_file_is_refused(take: Import, content: str | bytes, fault: str) -> None:
    """The message says what a file has to look like."""
    result = await asyncio.to_thread(take, content)
    assert result.exit_code == 1
    assert fault in result.output


async def test_a_redirector_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No traceback."""
    file = tmp_path / "people.csv"
    file.write_text("advocate_id\nann\n")
    runner = CliRunner(env=_environment("http://127.0.0.1:1", "key"))
    result = await asyncio.to_thread(runner.invoke, main, ["import", "advocates", str(file)])
    assert result.exit_code == 1
    assert "Error: http://127.0.0.1:1 cannot be reached" in result.output
