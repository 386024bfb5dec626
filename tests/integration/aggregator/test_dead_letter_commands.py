"""`advolink dead-letters` looks at, replays and discards dead letters of a database, and says what came of each."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.dead_letters import commands, store
from database.queries import load_queries
from event_log.contract import Record
from link_events.codec import encode
from link_events.identity import Origin, Seq
from stage.dead import UNREADABLE, broken_decoder
from stage.events import PLAIN_CLICK
from stage.journaling import FIRST_CAPTURE, Pen
from stage.pipe import opened_pipe
from stage.sql import execute, fetch, fetch_value, session
from stage.stray_log import STRAY, StrayLog

UNREADABLE_CLICK = replace(PLAIN_CLICK, code=UNREADABLE)
QUERIES = load_queries(Path(store.__file__).with_suffix(".sql"))
COUNTED = "SELECT coalesce(sum(counted_clicks), 0)::int FROM advocate_day"


def _call(dsn: str, *arguments: str) -> Result:
    """`advolink dead-letters …`; what a fault of ours raises comes out here."""
    command = ["dead-letters", *arguments, "--postgres-dsn", dsn]
    return CliRunner().invoke(main, command, catch_exceptions=False)


def _rows(dsn: str, *arguments: str) -> list[dict[str, Any]]:
    listed = _call(dsn, "list", "--json", *arguments)
    assert listed.exit_code == 0
    rows: list[dict[str, Any]] = json.loads(listed.stdout)["rows"]
    return rows


def _stock(dsn: str, *batches: list[Record]) -> None:
    """Records through an aggregator of a bad build, a batch after another."""

    async def stock() -> None:
        async with opened_pipe(dsn) as pipe:
            for batch in batches:
                await pipe.append(*batch)
            with broken_decoder():
                await pipe.apply(pipe.consumer(log=StrayLog(pipe.log)))

    asyncio.run(stock())


def _drift(dsn: str) -> list[tuple[object, ...]]:
    async def drift() -> list[tuple[object, ...]]:
        async with opened_pipe(dsn) as pipe:
            return await pipe.drift()

    return asyncio.run(drift())


def _value(dsn: str, sql: str) -> Any:
    return asyncio.run(fetch_value(dsn, sql))


def _of_every_kind(dsn: str) -> Pen:
    """Four dead letters, ids 1 to 4: unreadable by a bad build, no JSON, without origin, and one that came again."""
    pen = Pen()
    good = pen.write(PLAIN_CLICK)
    dead = [pen.write(UNREADABLE_CLICK), pen.scribble(b"\x00\xff{"), pen.write(UNREADABLE_CLICK)]
    stray = Pen().scribble(STRAY + b"\x1b[31mred")
    _stock(dsn, [good, *dead[:2]], [stray], [dead[2]])

    async def comes_again() -> None:
        async with opened_pipe(dsn) as pipe:
            await pipe.take(dead[2])

    asyncio.run(comes_again())
    return pen


def test_they_are_listed_with_what_became_of_them(database_dsn: str) -> None:
    """The open ones, unless others are asked for; one that came again well is filled."""
    pen = _of_every_kind(database_dsn)
    assert [row["id"] for row in _rows(database_dsn)] == [3, 2, 1]
    rows = _rows(database_dsn, "--state", "all")
    assert [(row["id"], row["reason"], row["state"]) for row in rows] == [
        (4, "breaks_schema", "filled"),
        (3, "no_origin", "open"),
        (2, "not_json", "open"),
        (1, "breaks_schema", "open"),
    ]
    assert rows[3]["event_id"] == f"{pen.journal.hex()}-c0-2"
    assert (rows[1]["event_id"], rows[1]["journal"], rows[1]["seq"]) == (None, None, None)
    assert "value_text" not in rows[3]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--state", "filled"], [4]),
        (["--state", "replayed"], []),
        (["--reason", "not_json"], [2]),
        (["--stream", "clicks", "--partition", "0"], [3, 2, 1]),
        (["--partition", "1"], []),
        (["--stream", "activities"], []),
    ],
)
def test_filters_narrow_the_list(database_dsn: str, filters: list[str], ids: list[int]) -> None:
    """Each alone and together."""
    _of_every_kind(database_dsn)
    assert [row["id"] for row in _rows(database_dsn, *filters)] == ids


def test_a_list_says_how_many_more_there_are(database_dsn: str) -> None:
    """For people and for machines."""
    _of_every_kind(database_dsn)
    cut = _call(database_dsn, "list", "--limit", "2")
    assert "2 dead letters, and 1 more: --limit shows them." in cut.output
    assert "not_json" in cut.output
    assert "breaks_schema" not in cut.output
    assert json.loads(_call(database_dsn, "list", "--limit", "1", "--json").output)["more"] == 2


def test_one_is_shown_with_its_bytes(database_dsn: str) -> None:
    """As text where they are UTF-8, else in hex; nothing in them reaches the terminal as a command."""
    pen = _of_every_kind(database_dsn)
    hexed = _call(database_dsn, "show", "2")
    assert (hexed.exit_code, "as hex:\n00ff7b\n" in hexed.output) == (0, True)
    assert f"{pen.journal.hex()}-c0-3" in hexed.output
    stray = _call(database_dsn, "show", "3")
    assert "no readable origin" in stray.output
    assert "as text:\nstray: \\x1b[31mred\n" in stray.output
    shown = json.loads(_call(database_dsn, "show", "1", "--json").output)
    assert json.loads(shown["value_text"])["data"]["code"] == UNREADABLE
    assert json.loads(_call(database_dsn, "show", "2", "--json").output)["value_hex"] == "00ff7b"
    missing = _call(database_dsn, "show", "4711")
    assert (missing.exit_code, missing.output) == (1, "Error: There is no dead letter 4711.\n")


def test_those_that_are_named_are_replayed(database_dsn: str) -> None:
    """What still cannot be applied is said, and is the exit status; again, nothing is left to do."""
    _of_every_kind(database_dsn)
    first = _call(database_dsn, "replay", "1", "2", "1")
    assert first.exit_code == 1
    assert "1: replayed\n" in first.stdout
    assert "2: cannot be applied: not_json: " in first.stderr
    assert "1 done, 0 needed nothing, 1 failed." in first.stdout
    again = _call(database_dsn, "replay", "1", "4")
    assert again.exit_code == 0
    assert "1: nothing to do: was replayed before" in again.stdout
    assert "4: nothing to do: its hole is closed: a good copy came and is counted, or the hole was" in again.stdout
    assert _value(database_dsn, COUNTED) == 3
    assert _drift(database_dsn) == []


def test_all_of_a_reason_are_replayed(database_dsn: str) -> None:
    """Without those that have no origin, which are named."""
    _of_every_kind(database_dsn)
    some = _call(database_dsn, "replay", "--all", "--reason", "breaks_schema")
    assert (some.exit_code, "1 done, 0 needed nothing, 0 failed." in some.stdout) == (0, True)
    rest = _call(database_dsn, "replay", "--all")
    assert rest.exit_code == 1
    assert "3: left alone: without an origin it can only be discarded" in rest.stdout
    assert "0 done, 0 needed nothing, 1 failed." in rest.stdout
    assert [row["id"] for row in _rows(database_dsn)] == [3, 2]
    assert _drift(database_dsn) == []


def test_all_are_replayed_a_page_at_a_time(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once; those that failed or had no origin are behind the page and are not met again."""
    monkeypatch.setattr(commands, "PAGE", 2)
    pen, stray = Pen(), Pen()
    dead = [pen.write(UNREADABLE_CLICK) for _ in range(5)]
    _stock(database_dsn, dead[:3], [pen.scribble(b"{"), stray.scribble(STRAY)], dead[3:])
    replayed = _call(database_dsn, "replay", "--all")
    assert replayed.exit_code == 1
    assert "5 done, 0 needed nothing, 1 failed." in replayed.stdout
    assert replayed.stdout.count("left alone") == 1
    assert replayed.stderr.count("cannot be applied: not_json") == 1
    assert [row["reason"] for row in _rows(database_dsn)] == ["no_origin", "not_json"]
    assert _drift(database_dsn) == []


def test_every_page_costs_alike(module_dsn: str) -> None:
    """Dead letters are found by their number, and a hole by where it begins, even by a plan for any parameters."""

    async def plan() -> str:
        async with session(module_dsn) as connection:
            await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE found AS {QUERIES['found']}")
            explained = "EXPLAIN EXECUTE found (NULL, NULL, NULL, 'open', 1, 2000, 1000, false)"
            return "\n".join(row[0] for row in await connection.fetch(explained))

    told = asyncio.run(plan())
    assert "Index Cond: ((dead_letter_id >= $5) AND (dead_letter_id < $6))" in told
    assert "AND (seq_from <= dead.seq))" in told
    assert "Sort" not in told


def test_a_hole_that_was_given_up_by_hand_is_no_good_copy(database_dsn: str) -> None:
    """Its dead letter is not open any more, and nobody claims that it is counted."""
    _of_every_kind(database_dsn)
    asyncio.run(execute(database_dsn, "DELETE FROM hole"))
    assert [row["id"] for row in _rows(database_dsn, "--state", "filled")] == [4, 2, 1]
    said = _call(database_dsn, "replay", "1")
    assert said.exit_code == 0
    assert "or the hole was given up by hand" in said.stdout


def test_one_is_replayed_with_other_bytes(database_dsn: str, tmp_path: Path) -> None:
    """They must name the same event; both stay to be seen, with why."""
    pen = _of_every_kind(database_dsn)
    mended, other = tmp_path / "mended.json", tmp_path / "other.json"
    for path, seq in ((mended, 3), (other, 2)):
        origin = Origin(pen.journal, pen.stream, pen.partition, Seq(seq))
        path.write_bytes(encode(origin, FIRST_CAPTURE, PLAIN_CLICK))
    wrong = _call(database_dsn, "replay", "2", "--value", str(other), "--why", "a mistake")
    assert (wrong.exit_code, "2: cannot be applied: id_mismatch: " in wrong.stderr) == (1, True)
    right = _call(database_dsn, "replay", "2", "--value", str(mended), "--why", "its line was cut")
    assert (right.exit_code, "2: replayed\n" in right.stdout) == (0, True)
    shown = json.loads(_call(database_dsn, "show", "2", "--json").output)
    assert (shown["value_hex"], shown["closed_why"]) == ("00ff7b", "its line was cut")
    assert shown["replacement_text"].encode() == mended.read_bytes()
    assert _drift(database_dsn) == []


def test_they_are_discarded_with_a_reason(database_dsn: str) -> None:
    """One without an origin too. Nothing of them is counted."""
    _of_every_kind(database_dsn)
    gone = _call(database_dsn, "discard", "1", "2", "3", "--why", " a test of ours ")
    assert (gone.exit_code, "3 done, 0 needed nothing, 0 failed." in gone.stdout) == (0, True)
    whys = {row["closed_why"] for row in _rows(database_dsn, "--state", "discarded")}
    assert whys == {"a test of ours"}
    assert asyncio.run(fetch(database_dsn, "SELECT 1 FROM hole")) == []
    assert _call(database_dsn, "discard", "2", "--why", "again").exit_code == 0
    assert _call(database_dsn, "discard", "4711", "--why", "a mistake").exit_code == 1
    assert _value(database_dsn, COUNTED) == 2
    assert _drift(database_dsn) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay"], "Say which"),
        (["replay", "1", "--all"], "Say which"),
        (["replay", "1", "--reason", "not_json"], "--reason chooses among --all"),
        (["replay", "1", "2", "--value", __file__, "--why", "x"], "--value is the value of one"),
        (["replay", "--all", "--value", __file__, "--why", "x"], "--value is the value of one"),
        (["replay", "1", "--value", __file__], "--value needs --why"),
        (["replay", "1", "--value", __file__, "--why", " "], "say something"),
        (["discard", "--why", "x"], "Say which"),
        (["discard", "1"], "--why"),
        (["discard", "1", "--why", " "], "say something"),
        (["show", "0"], "0"),
        (["list", "--limit", "0"], "0"),
    ],
)
def test_what_is_half_said_is_refused(arguments: list[str], says: str) -> None:
    """Before any database is asked."""
    refused = CliRunner().invoke(main, ["dead-letters", *arguments])
    assert refused.exit_code == 2
    assert says in refused.output


def test_a_running_stack_says_where_its_database_is(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its data directory; a variable or a flag does as well, and nothing at all is refused."""
    (tmp_path / "up.json").write_bytes(orjson.dumps({"postgres_dsn": database_dsn, "kafka_bootstrap": None}))
    runner = CliRunner()
    command = ["dead-letters", "list"]
    assert runner.invoke(main, [*command, "--data-dir", str(tmp_path)]).exit_code == 0
    assert runner.invoke(main, command, env={"ADVOLINK_POSTGRES_DSN": database_dsn}).exit_code == 0
    none = runner.invoke(main, [*command, "--data-dir", str(tmp_path / "elsewhere")])
    assert (none.exit_code, "Nothing runs here" in none.output) == (1, True)
    both = runner.invoke(main, [*command, "--data-dir", str(tmp_path), "--postgres-dsn", database_dsn])
    assert both.exit_code == 2
    monkeypatch.chdir(tmp_path / "..")
    assert "Say which database" in runner.invoke(main, command).output
    (tmp_path / ".advolink").mkdir()
    (tmp_path / "up.json").rename(tmp_path / ".advolink" / "up.json")
    monkeypatch.chdir(tmp_path)
    assert runner.invoke(main, command).exit_code == 0


@pytest.mark.parametrize("dsn", ["hunter2", "postgresql://ada:hunter2@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_had_is_one_sentence(dsn: str) -> None:
    """Without the password."""
    refused = _call(dsn, "list")
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: The ")
    assert "hunter2" not in refused.output
