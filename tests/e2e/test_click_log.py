"""One hour of a real shortener's clicks through the whole pipe, imported and replayed, to the last click."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from event_log.settings import EventLogKind
from stage.api import Api
from stage.click_log import REAL_ADVOCATES, REAL_CLICKS, lines_to_replay, real_log, tally
from stage.ports import free_port
from stage.replay import Fates, issue_links, replay
from stage.up import Up
from stage.waiting import eventually

pytestmark = [pytest.mark.timeout(240), pytest.mark.parametrize("event_log", list(EventLogKind), indirect=True)]


def import_clicks(up: Up, log: Path, **environment: str) -> str:
    """`advolink import clicks` as a person runs it; what it printed."""
    command = [sys.executable, "-m", "advolink", "import", "clicks", "--format", "bitly", str(log)]
    if not environment:
        command += ["--data-dir", str(up.directory)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_imported_log_is_counted_to_the_last_click(own_stack: Up, api: Api, click_log: Path) -> None:
    """Every advocate's raw count equals the tally of the file; importing the same file again changes nothing."""
    expected = tally(click_log)
    assert f"{expected.total()} clicks" in import_clicks(own_stack, click_log)
    api.caught_up()
    assert api.raw_by_advocate() == expected
    before = api.counts("link", "day"), api.counts("advocate", "quarter")

    assert "imported before" in import_clicks(own_stack, click_log)
    api.caught_up()
    assert (api.counts("link", "day"), api.counts("advocate", "quarter")) == before


def test_the_real_log_has_the_numbers_that_are_known_of_it(own_stack: Up, api: Api) -> None:
    """3 440 clicks of 275 advocates, all on one day, of one quarter; the clicks behind a count add up to it."""
    import_clicks(own_stack, real_log())
    api.caught_up()
    raw = api.raw_by_advocate()
    assert (raw.total(), len(raw)) == (REAL_CLICKS, REAL_ADVOCATES)
    assert {row["period"] for row in api.counts(granularity="day")} == {"2012-03-16"}
    assert {row["period"] for row in api.counts(granularity="quarter")} == {"2012-Q1"}
    advocate, count = raw.most_common(1)[0]
    listed = api.aggregator.get("/v1/clicks", params={"advocate_id": advocate, "day": "2012-03-16", "limit": 10_000})
    assert listed.json()["total"] == len(listed.json()["rows"]) == count


def test_a_second_redirector_with_its_own_journal_counts_nothing_twice(
    own_stack: Up, api: Api, click_log: Path, tmp_path: Path
) -> None:
    """The same file through another redirector process gives the same events, and the watermark lets one through."""
    import_clicks(own_stack, click_log)
    with second_redirector(own_stack, tmp_path / "second") as url:
        content = own_stack.content
        said = import_clicks(
            own_stack,
            click_log,
            ADVOLINK_REDIRECTOR_URL=url,
            ADVOLINK_AGGREGATOR_URL=content["aggregator"],
            ADVOLINK_API_KEY=content["api_key"],
        )
        assert "imported before" in said
        api.caught_up()
    assert api.raw_by_advocate() == tally(click_log)


def test_a_replayed_log_is_counted_to_the_last_request(own_stack: Up, api: Api, click_log: Path) -> None:
    """The clicks as real requests: as many are counted for each advocate as were answered."""
    lines, fates = lines_to_replay(click_log), Fates()
    issue_links(api, lines)
    asyncio.run(replay(own_stack.content["redirector"], lines, fates))
    api.caught_up()
    assert fates.unseen.total() == 0
    assert api.raw_by_advocate() == fates.accepted == tally(click_log)


@contextmanager
def second_redirector(up: Up, directory: Path) -> Iterator[str]:
    """Another redirector on the same database, with a journal directory of its own."""
    port, management = free_port(), free_port()
    environment = {
        **os.environ,
        "ADVOLINK_POSTGRES_DSN": up.content["postgres_dsn"],
        "ADVOLINK_EVENT_LOG": EventLogKind.KAFKA if up.content["kafka_bootstrap"] else EventLogKind.POSTGRES,
        "ADVOLINK_KAFKA_BOOTSTRAP": up.content["kafka_bootstrap"] or "",
        "ADVOLINK_REDIRECTOR_PORT": str(port),
        "ADVOLINK_REDIRECTOR_MANAGEMENT_PORT": str(management),
        "ADVOLINK_REDIRECTOR_JOURNAL_DIR": str(directory),
    }
    with subprocess.Popen([sys.executable, "-m", "redirector"], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _answers(f"http://127.0.0.1:{management}/readyz"), what="the second redirector is ready")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).is_success
    except httpx2.TransportError:
        return False
