"""An import that breaks off takes no line twice and leaves none out when it is taken up again."""

import errno
import json
from http import HTTPStatus
from pathlib import Path

import pytest

from link_events.codec import decode
from link_events.events import Click
from link_events.identity import JournalId, Origin
from redirector.journal import journal as journal_module
from redirector.journal.segments import write_all
from stage.journals import read_all
from stage.redirectors import running_redirector

LINES = 400


def a_file() -> bytes:
    """Clicks that tell themselves apart by their user agents, of a handful of advocates."""
    lines = [
        {
            "l": f"adv{n % 5}",
            "h": f"link{n % 7}_{n % 5}",
            "u": "https://www.example.com/",
            "t": 1331923247,
            "a": f"b{n}",
        }
        for n in range(LINES)
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


def journaled(root: Path) -> dict[str, str]:
    """Event id → user agent of every click in the one journal of an import below `root`."""
    (directory,) = (root / "imports").iterdir()
    found: dict[str, str] = {}
    for frame in read_all(directory):
        origin = Origin(JournalId(bytes.fromhex(directory.name)), frame.stream, frame.partition, frame.seq)
        event = decode(frame.payload, origin)
        if isinstance(event.data, Click):
            assert origin.event_id not in found
            found[origin.event_id] = event.data.user_agent or ""
    return found


@pytest.fixture(params=[1, 2, 3])
def one_failing_write(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The disk fails once, at the n-th large write: of the import, for heartbeats are small."""
    writes: list[int] = []

    def failing_once(descriptor: int, data: bytes, position: int) -> None:
        if len(data) > 20_000:
            writes.append(len(data))
            if len(writes) == request.param:
                raise OSError(errno.EIO, "the disk has failed")
        write_all(descriptor, data, position)

    monkeypatch.setattr(journal_module, "write_all", failing_once)
    return writes


async def test_a_write_that_fails_loses_and_doubles_no_line(
    database_dsn: str, tmp_path: Path, key: str, one_failing_write: list[int]
) -> None:
    """The first try is answered 503, the second takes every line once, as does a redirector that met no fault."""
    async with running_redirector(database_dsn, tmp_path / "first", key) as first:
        assert (await first.import_file(a_file())).status_code == HTTPStatus.SERVICE_UNAVAILABLE
        answer = await first.import_file(a_file())
        assert (answer.status_code, answer.json()["clicks"]) == (HTTPStatus.OK, LINES)
    assert len(one_failing_write) > 1
    events = journaled(tmp_path / "first")
    assert sorted(events.values()) == sorted(f"b{n}" for n in range(LINES))

    async with running_redirector(database_dsn, tmp_path / "second", key) as second:
        assert (await second.import_file(a_file())).status_code == HTTPStatus.OK
    assert journaled(tmp_path / "second") == events


async def test_a_pinned_line_is_taken_whatever_the_rules_are_by_then(
    database_dsn: str, tmp_path: Path, key: str
) -> None:
    """The same file is imported again after its destinations' host has become the company's own short domain."""
    async with running_redirector(database_dsn, tmp_path / "first", key) as first:
        assert (await first.import_file(a_file())).json()["clicks"] == LINES
    stricter = {"public_url": "https://www.example.com"}
    async with running_redirector(database_dsn, tmp_path / "second", key, **stricter) as second:
        answer = await second.import_file(a_file())
    assert (answer.status_code, answer.json()["clicks"]) == (HTTPStatus.OK, LINES)
    assert journaled(tmp_path / "second") == journaled(tmp_path / "first")
