"""What chaos is made of does what the verdict relies on."""

import os
import signal
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import pytest

from event_log.settings import EventLogKind
from redirector.fast_lane.heads import Heads
from stage.chaos.buying import BUY_EVERY, reports
from stage.chaos.children import Tally
from stage.chaos.failpoints import Failpoint, Failpoints
from stage.chaos.fates import NO_STATUS, Fate, FateFile, FateReader, RequestId, Told
from stage.chaos.faults import OF_KAFKA, Fault, FaultKind, kinds_for, schedule
from stage.chaos.load import request_head
from stage.chaos.measures import Measure, Measures
from stage.chaos.nemesis import Struck
from stage.chaos.report import table
from stage.chaos.run import Plan
from stage.chaos.seams import replace_attribute
from stage.chaos.strikes import STRIKES

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
KINDS = kinds_for(EventLogKind.KAFKA)


def test_a_seed_gives_the_same_faults_again() -> None:
    first, again, other = (list(islice(schedule(seed, KINDS), 100)) for seed in (1, 1, 2))
    assert first == again != other


def test_each_kind_comes_before_any_comes_again() -> None:
    rounds = [fault.kind for fault in islice(schedule(3, KINDS), 3 * len(KINDS))]
    assert Counter(rounds) == dict.fromkeys(KINDS, 3)
    assert set(rounds[: len(KINDS)]) == KINDS


def test_every_kind_is_known_how_to_be_done() -> None:
    assert STRIKES.keys() == set(FaultKind)
    assert kinds_for(EventLogKind.POSTGRES) == set(FaultKind) - OF_KAFKA


def test_what_is_asked_for_is_plain_enough_for_the_fast_lane() -> None:
    """Else chaos would try the framework's path alone."""
    request = request_head("GET", "advocate-1-a", RequestId("0-7"))
    assert Heads().read(request[request.index(b"\r\n") :]) is not None


def test_each_report_is_found_again_in_what_is_stored_of_it() -> None:
    """By what the sale is called, and by its value: stage/chaos/looking.sql puts the same together."""
    all_reports = [one for asked in range(0, 400, BUY_EVERY) for one in reports(3, asked, list("abcde"), NOON)]
    found = {
        "/v1/conversions": lambda row: f"v{row['external_id']}.{row['value_minor'] // 1_000}",
        "/v1/reversals": lambda row: f"r{row['external_id']}",
    }
    assert [one.request for one in all_reports] == [found[one.path](one.row) for one in all_reports]
    assert len({one.request for one in all_reports}) == len(all_reports) > 100
    assert {tuple(one.row["click_ids"]) for one in all_reports if "click_ids" in one.row} == {("c", "d", "e")}


def test_fates_are_read_while_they_are_written(tmp_path: Path) -> None:
    """Each once; a line that is half written is read when it is whole."""
    reader, file = FateReader(tmp_path), FateFile(tmp_path, 0)
    one, two = (Told(RequestId(f"0-{number}"), Fate.UNKNOWN, NO_STATUS, 1.0, 2.5) for number in (1, 2))
    file.write(one)
    with next(tmp_path.glob("*.fates")).open("ab") as half:
        half.write(two.line()[:5])
    assert reader.new() == [one]
    with next(tmp_path.glob("*.fates")).open("ab") as rest:
        rest.write(two.line()[5:])
    assert (reader.new(), reader.new()) == ([two], [])


def test_the_table_adds_up_what_was_seen_of_each_kind() -> None:
    """Numbers of things are summed, of waits the longest is told, and what met nobody is struck and not felt."""
    struck = [
        Struck(Fault(number, FaultKind.POSTGRES_CUT, 0.2, 1.0, 7), 0.0, 2.0, Measures(seen), felt=bool(seen))
        for number, seen in enumerate(
            [{Measure.CUT: 2, Measure.WAIT_MS: 30}, {Measure.CUT: 1_000, Measure.WAIT_MS: 20}, {}], start=1
        )
    ]
    assert table(struck).splitlines()[2:] == [
        "| postgres_cut | 3 | 2 | 2.0 | connections cut 1,002; request waited 30 ms at most |",
        "| all | 3 | 2 | 2.0 | |",
    ]


def test_a_run_goes_on_until_each_kind_was_felt_often_enough() -> None:
    """However long it takes; but for a kind that is hardly ever felt it does not go on for ever."""
    kinds = frozenset({FaultKind.POSTGRES_CUT, FaultKind.REDIRECTOR_KILL})
    plan = Plan(EventLogKind.POSTGRES, seed=1, seconds=10, strikes_min=2, kinds=kinds)
    cut, kill, missed = (
        Struck(Fault(1, kind, 0.2, 1.0, 7), 0.0, 2.0, Measures(), felt)
        for kind, felt in (
            (FaultKind.POSTGRES_CUT, True),
            (FaultKind.REDIRECTOR_KILL, True),
            (FaultKind.REDIRECTOR_KILL, False),
        )
    )
    assert plan.goes_on(9, [cut, cut, kill, kill])
    assert not plan.goes_on(11, [cut, cut, kill, kill])
    assert plan.goes_on(11, [cut, cut, kill, *[missed] * 4])
    assert not plan.goes_on(11, [cut, cut, kill, *[missed] * 5])


def test_counters_add_up_over_the_lives_of_a_service() -> None:
    """Each life's last word counts."""
    tally = Tally()
    tally.note(1, 'advolink_applying_interruptions_total{cause="away"} 1.0\n')
    for pid, away in ((1, 3), (2, 4)):
        text = f'# TYPE\nadvolink_applying_interruptions_total{{cause="away"}} {away}.0\n'
        tally.note(pid, f'{text}advolink_applying_interruptions_total{{cause="lost"}} 1.0\nother_total 9.0\n')
    assert tally.total("applying_interruptions") == 9


def test_each_worker_of_a_service_has_lives_of_its_own() -> None:
    """One dies and begins at 0 again; the process that is asked, and the other worker, go on."""
    tally = Tally()
    for deaths, counted in ((0, 5), (1, 2)):
        tally.note(
            1,
            f'advolink_worker_deaths_total{{worker="2"}} {deaths}.0\n'
            'advolink_shipping_rewinds_total{worker="1"} 3.0\n'
            f'advolink_shipping_rewinds_total{{worker="2",why="lost"}} {counted}.0\n',
        )
    assert tally.total("shipping_rewinds") == 3 + 5 + 2


def test_an_armed_failpoint_bites_one_process_once(tmp_path: Path) -> None:
    """Of many that come by. An unarmed one lets everybody pass."""
    points = Failpoints(tmp_path)
    points.reached(Failpoint.AFTER_SEND)
    points.arm(Failpoint.AFTER_SEND)
    fork = get_context("fork")
    processes = [fork.Process(target=points.reached, args=(Failpoint.AFTER_SEND,)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=30)
    dead = [process.pid for process in processes if process.exitcode == -signal.SIGKILL]
    assert sorted(process.exitcode or 0 for process in processes) == [-signal.SIGKILL, *[0] * 7]
    assert points.bitten() == {(Failpoint.AFTER_SEND, dead[0]): 1}


def test_a_failpoint_that_was_disarmed_bites_nobody(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    points.arm(Failpoint.AFTER_SEND)
    points.disarm()
    points.reached(Failpoint.AFTER_SEND)
    assert points.bitten() == {}


def test_a_seam_that_is_gone_is_told_of() -> None:
    """Else a failpoint or a guard would be without effect, and nobody would know."""
    with pytest.raises(AttributeError):
        replace_attribute(os, "no_such_seam", lambda original: original)
