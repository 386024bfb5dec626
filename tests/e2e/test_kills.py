"""kill -9 of any process in the middle of an import or of live traffic: nothing lost, nothing counted twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from event_log.settings import EventLogKind
from stage.api import Api
from stage.click_log import lines_to_replay, real_log, tally, write_twin
from stage.replay import Fates, issue_links, replay
from stage.up import UP_SECONDS_MAX, Up, is_running
from stage.waiting import eventually

pytestmark = pytest.mark.timeout(300)

VICTIMS = {
    EventLogKind.POSTGRES: ["redirector", "aggregator", "postgres"],
    EventLogKind.KAFKA: ["redirector", "aggregator", "kafka"],
}
CASES = [(event_log, victim) for event_log, victims in VICTIMS.items() for victim in victims]
CARRIERS = {"postgres", "kafka"}
IMPORTED_CLICKS = 12_000
"""Enough that the middle of an import can be met."""


@pytest.mark.long  # the last test of this file kills the same processes, one after the other, during one import
@pytest.mark.parametrize(("event_log", "victim"), CASES, indirect=["event_log"])
def test_an_import_survives_a_kill(own_stack: Up, api: Api, tmp_path: Path, victim: str) -> None:
    """The command goes on by itself once the process is back, and every advocate's count is exact."""
    log = write_twin(tmp_path / "twin.jsonl", IMPORTED_CLICKS)
    command = [sys.executable, "-m", "advolink", "import", "clicks", str(log), "--data-dir", str(own_stack.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as importing:
        eventually(in_the_middle(own_stack, api, victim), what="the import is under way")
        kill(own_stack, victim)
        said, _ = importing.communicate(timeout=120)
    assert importing.returncode == 0, said
    api.caught_up()
    assert api.raw_by_advocate() == tally(log)


@pytest.mark.long  # a minute of chaos on each log kills the same processes under live traffic (tests/chaos)
@pytest.mark.parametrize(("event_log", "victim"), CASES, indirect=["event_log"])
def test_live_clicks_survive_a_kill(own_stack: Up, api: Api, click_log: Path, tmp_path: Path, victim: str) -> None:
    """For every advocate: accepted ≤ raw ≤ accepted + requests whose answer was never seen.

    The whole real hour where the victim is what carries the events; a small twin of it does for the services.
    """
    log = click_log if victim in CARRIERS else write_twin(tmp_path / "small.jsonl", 400)
    lines, fates = lines_to_replay(log), Fates()
    issue_links(api, lines)
    strikes = [2 * len(lines) // 3, len(lines) // 3]

    def strike_in_the_middle() -> None:
        if strikes and fates.settled >= strikes[-1] and is_running(own_stack.pids[victim]):
            strikes.pop()
            kill(own_stack, victim)

    while strikes:  # a log that is over before the victim is back is replayed once more
        asyncio.run(replay(own_stack.content["redirector"], lines, fates, strike_in_the_middle))
    api.caught_up()
    assert fates.settled >= len(lines)
    assert fates.explain(api.raw_by_advocate()) == []


@pytest.mark.parametrize("event_log", list(EventLogKind), indirect=True)
def test_the_real_log_imported_survives_everything_being_killed(
    own_stack: Up, api: Api, event_log: EventLogKind
) -> None:
    """Redirector, aggregator and what carries the events killed one after the other while it is on its way."""
    log = real_log()
    command = [sys.executable, "-m", "advolink", "import", "clicks", str(log), "--data-dir", str(own_stack.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as importing:
        for victim in VICTIMS[event_log]:
            # Whoever was killed before has to be up again first.
            eventually(
                in_the_middle(own_stack, api, victim), seconds_max=UP_SECONDS_MAX, what="the import is under way"
            )
            kill(own_stack, victim)
        said, _ = importing.communicate(timeout=120)
    assert importing.returncode == 0, said
    api.caught_up()
    assert api.raw_by_advocate() == tally(log)


def in_the_middle(up: Up, api: Api, victim: str) -> Callable[[], bool]:
    """When to strike: the redirector while it journals, the others when the first clicks are counted."""
    if victim == "redirector":
        return lambda: any((up.directory / "journals" / "imports").glob("*/*.segment"))
    return lambda: is_running(up.pids[victim]) and has_counts(api)


def has_counts(api: Api) -> bool:
    """Whether anything is counted yet; an aggregator that is away has nothing to say."""
    try:
        return bool(api.counts())
    except httpx2.HTTPError:
        return False


def kill(up: Up, name: str) -> None:
    """End the process that up.json names as kill -9 does."""
    os.kill(up.pids[name], signal.SIGKILL)
