"""A file of historical clicks is taken once, line by line; importing it again, anywhere, changes nothing."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from link_events.codec import decode
from link_events.events import Click, Event, Sealed
from link_events.identity import JournalId, Origin, Seq, parse_event_id
from link_events.streams import PARTITIONS_DEFAULT, Stream, partition_of
from redirector.journal.adoption import is_done
from stage.click_log import REAL_ADVOCATES, REAL_CLICKS, clicks_in, real_log, tally, write_twin
from stage.journals import events_in, logged_records
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import fetch
from stage.waiting import eventually_async

TWIN_CLICKS: Final = 300
LINE: Final = {"l": "ada", "h": "wfLQtf", "u": "http://www.nasa.gov/", "t": 1_331_923_247, "a": "Mozilla/5.0"}


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    """A small log like the real one."""
    return write_twin(tmp_path / "twin.jsonl", TWIN_CLICKS)


@pytest.fixture
def content(twin: Path) -> bytes:
    """What is in it."""
    return twin.read_bytes()


def file_of(*lines: dict[str, Any] | bytes) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def journal_of(redirector: RunningRedirector, answer: httpx2.Response) -> Path:
    """Where the events of an import lie."""
    directory: Path = redirector.service.settings.journal_dir / "imports" / answer.json()["import_id"]
    return directory


def clicks(events: Iterable[Event]) -> list[Click]:
    return [event.data for event in events if isinstance(event.data, Click)]


async def logged_events(dsn: str, import_id: str) -> dict[str, bytes]:
    """Event id → value of everything that the log holds of an import; a repetition is the very same bytes."""
    events: dict[str, bytes] = {}
    for (stream, partition), records in (await logged_records(dsn)).items():
        for journal, seq, value in records:
            if journal.hex() == import_id:
                origin = Origin(JournalId(journal), stream, partition, Seq(seq))
                assert events.setdefault(origin.event_id, value) == value
    return events


async def done(directory: Path) -> bool:
    return is_done(directory)


async def test_every_click_of_a_file_becomes_an_event(
    redirector: RunningRedirector, twin: Path, content: bytes, database_dsn: str
) -> None:
    """With its own time and its own advocate; what is told of the file adds up."""
    answer = await redirector.import_file(content)
    told = answer.json()
    expected = tally(twin)
    assert (answer.status_code, told["clicks"], told["refused"]) == (HTTPStatus.OK, TWIN_CLICKS, 0)
    assert (told["lines"], told["imported_before"]) == (content.count(b"\n"), False)
    assert (told["rows"], told["would_pass_now"]) == ([], [])
    directory = journal_of(redirector, answer)
    await eventually_async(lambda: done(directory), what="the import is shipped")
    logged = await logged_events(database_dsn, told["import_id"])
    events = [decode(value, origin) for name, value in logged.items() if (origin := parse_event_id(name))]
    assert Counter(click.advocate_id for click in clicks(events)) == expected
    times = Counter(fields["t"] for fields in clicks_in(twin))
    assert Counter(int(click.occurred_at.timestamp()) for click in clicks(events)) == times
    assert {click.method for click in clicks(events)} == {"GET"}
    for event in events:
        if isinstance(event.data, Click):
            assert event.origin.partition == partition_of(event.data.advocate_id, PARTITIONS_DEFAULT)


async def test_an_import_is_captured_when_it_is_imported_and_ends_sealed(
    redirector: RunningRedirector, content: bytes
) -> None:
    """One instant for all its events, no heartbeats, and an end in every partition of the clicks."""
    before = datetime.now(UTC)
    answer = await redirector.import_file(content)
    events = events_in(journal_of(redirector, answer))
    (captured_at,) = {event.captured_at for event in events}
    assert before <= captured_at <= datetime.now(UTC)
    last = {(event.origin.stream, event.origin.partition): event.data for event in events}
    assert last == {(Stream.CLICKS, number): Sealed() for number in range(PARTITIONS_DEFAULT)}
    assert len(events) == TWIN_CLICKS + PARTITIONS_DEFAULT


async def test_advocates_and_links_are_made_from_the_file(redirector: RunningRedirector, database_dsn: str) -> None:
    """Codes as aliases, destinations as browsers write them; they redirect from then on."""
    content = file_of(
        LINE, LINE | {"u": "http://other.example/"}, LINE | {"l": "bob", "h": "_-_", "u": "http://B.example"}
    )
    assert (await redirector.import_file(content)).json()["clicks"] == 3
    links = await fetch(database_dsn, "SELECT code, advocate_id, destination FROM link ORDER BY link_id")
    assert links == [("wfLQtf", "ada", "http://www.nasa.gov/"), ("_-_", "bob", "http://b.example/")]
    assert redirector.led_to(await redirector.click("_-_")) == "http://b.example/"
    assert await fetch(database_dsn, "SELECT count(*) FROM link_destination") == [(2,)]


async def test_links_that_are_there_keep_what_they_are(redirector: RunningRedirector) -> None:
    """A link of the same advocate is used and not changed; one of another advocate takes the line out."""
    mine = await redirector.issue("ada", alias="mine", destination="https://mine.example/")
    await redirector.issue("eve", alias="eves")
    answer = await redirector.import_file(file_of(LINE | {"h": "mine"}, LINE | {"h": "eves"}))
    assert answer.json()["rows"] == [
        {"line": 2, "reason": "code_taken", "detail": "h: eves belongs to another advocate"}
    ]
    (click,) = clicks(events_in(journal_of(redirector, answer)))
    assert (click.link_id, click.code) == (mine["link_id"], "mine")
    assert redirector.led_to(await redirector.click("mine")) == "https://mine.example/"


async def test_rubbish_is_named_line_by_line_and_the_good_lines_are_kept(redirector: RunningRedirector) -> None:
    """Lines are numbered as an editor shows them."""
    rubbish: list[tuple[bytes | dict[str, Any], str | None]] = [
        (LINE, None),
        (b"rubbish", "not_json"),
        (b"", None),
        (b'{"_heartbeat_": 1}', None),
        (b'{"l": "ada"', "not_json"),
        (b"\xff\xfe\0", "not_json"),
        (b'{"l": "\\ud800"}', "not_json"),
        (b"[1]", "not_an_object"),
        (b"x" * 70_000, "line_too_long"),
        (json.dumps(LINE | {"a": "x" * 70_000}).encode(), "line_too_long"),
        (LINE | {"l": "a@b"}, "bad_advocate"),
        (b'{"l": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", "bad_advocate"),
        (LINE | {"h": "v1"}, "bad_code"),
        (LINE | {"h": None}, "bad_code"),
        (LINE | {"u": "javascript:alert(1)"}, "bad_destination"),
        (LINE | {"u": "http://10.0.0.1/"}, "bad_destination"),
        (LINE | {"t": "now"}, "bad_time"),
        (LINE | {"t": 4_000_000_000}, "bad_time"),
        (LINE | {"t": 0}, "bad_time"),
        (LINE | {"l": "bob"}, "code_taken"),
        (LINE | {"a": "\0\r\n" * 400, "r": "http://[", "al": "\0", "c": 7}, None),
        (json.dumps(LINE).encode() + b"\r", None),
    ]
    answer = await redirector.import_file(file_of(*(line for line, _ in rubbish)))
    told = answer.json()
    assert answer.status_code == HTTPStatus.OK
    expected = [(number, reason) for number, (_, reason) in enumerate(rubbish, 1) if reason]
    assert [(row["line"], row["reason"]) for row in told["rows"]] == expected
    assert all(0 < len(row["detail"]) < 300 for row in told["rows"])
    assert (told["lines"], told["clicks"], told["refused"]) == (len(rubbish), 3, len(expected))
    assert len(clicks(events_in(journal_of(redirector, answer)))) == 3


async def test_a_file_of_nothing_but_rubbish_is_answered_so(redirector: RunningRedirector, database_dsn: str) -> None:
    """No click, no link, and the first thousand lines named."""
    answer = await redirector.import_file(b"rubbish\n" * 1_500)
    told = answer.json()
    assert (answer.status_code, told["clicks"], told["refused"], len(told["rows"])) == (HTTPStatus.OK, 0, 1_500, 1_000)
    assert clicks(events_in(journal_of(redirector, answer))) == []
    assert await fetch(database_dsn, "SELECT code FROM link") == []


async def test_what_is_no_file_is_refused(database_dsn: str, journals: Path, key: str) -> None:
    """Empty, too large by what it says, too large by what it is; nothing is left of it on the disk."""
    async with running_redirector(database_dsn, journals, key, import_bytes_max=1_000) as redirector:
        empty = await redirector.import_file(b"")
        assert (empty.status_code, empty.json()["type"]) == (HTTPStatus.BAD_REQUEST, "urn:advolink:problem:empty-body")

        async def chunks() -> Any:
            for _ in range(100):
                yield b"x" * 100

        for content in (b"x" * 1_001, chunks()):
            too_large = await redirector.ask("POST", "/v1/clicks/import", content=content)
            assert too_large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert (await redirector.import_file(file_of(LINE))).status_code == HTTPStatus.OK
    assert os.listdir(journals / "uploads") == []  # noqa: PTH208 - in an async test


async def test_importing_again_changes_nothing(
    redirector: RunningRedirector, content: bytes, database_dsn: str
) -> None:
    """However often and however soon: the same lines, the same events, the same links."""
    first = await redirector.import_file(content)
    links = await fetch(database_dsn, "SELECT * FROM link ORDER BY link_id")
    for _ in range(8):
        again = await redirector.import_file(content)
        assert again.json() == first.json() | {"imported_before": True}
    directory = journal_of(redirector, first)
    await eventually_async(lambda: done(directory), what="the import is shipped")
    last = await redirector.import_file(content)
    assert last.json() == first.json() | {"imported_before": True}
    await redirector.shipped()
    assert await fetch(database_dsn, "SELECT * FROM link ORDER BY link_id") == links
    assert len(await logged_events(database_dsn, first.json()["import_id"])) == TWIN_CLICKS + PARTITIONS_DEFAULT
    assert len(events_in(directory)) == TWIN_CLICKS + PARTITIONS_DEFAULT


async def test_a_second_redirector_writes_the_very_same_events(
    redirector: RunningRedirector, content: bytes, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """With a journal of its own: whoever reads the log meets each event once by name, and byte for byte alike."""
    first = await redirector.import_file(content)
    await redirector.shipped()
    async with running_redirector(database_dsn, tmp_path / "other", key) as other:
        second = await other.import_file(content)
        assert second.json() == first.json() | {"imported_before": True}
        directory = journal_of(other, second)
        await eventually_async(lambda: done(directory), what="the import is shipped there too")
        written = [(event.origin.event_id, event) for event in events_in(directory)]
    assert written == [(event.origin.event_id, event) for event in events_in(journal_of(redirector, first))]
    assert len(await logged_events(database_dsn, first.json()["import_id"])) == TWIN_CLICKS + PARTITIONS_DEFAULT


async def test_a_line_that_was_left_out_stays_out_and_is_named(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """The first import decides; where the rules have changed since, the lines that would pass now are told."""
    content = file_of(LINE, LINE | {"h": "inside", "u": "http://wiki.intranet/"})
    first = await redirector.import_file(content)
    assert [row["line"] for row in first.json()["rows"]] == [2]
    async with running_redirector(database_dsn, tmp_path / "other", key, private_hosts=["wiki.intranet"]) as other:
        await other.issue(alias="inside", destination="http://wiki.intranet/")
        second = await other.import_file(content)
        assert (second.json()["clicks"], second.json()["would_pass_now"]) == (1, [2])
        assert len(clicks(events_in(journal_of(other, second)))) == 1


async def test_the_real_log_is_taken_whole(redirector: RunningRedirector) -> None:
    """3 440 clicks of 275 people, twins and all."""
    path = real_log()
    answer = await redirector.import_file(await asyncio.to_thread(path.read_bytes))
    assert (answer.json()["clicks"], answer.json()["refused"]) == (REAL_CLICKS, 0)
    by_advocate = Counter(click.advocate_id for click in clicks(events_in(journal_of(redirector, answer))))
    assert by_advocate == tally(path)
    assert len(by_advocate) == REAL_ADVOCATES
