"""The supervisor keeps real processes running, names their ends, and stops them in the reverse order."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from local.errors import StartError
from local.postgres.account import is_root, unprivileged_account
from local.supervisor import Supervisor
from processes.programs import Program
from stage.up import is_running
from stage.waiting import eventually, eventually_async

MakeProgram = Callable[..., Program]

WAITS = "exec sleep 600"


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    """Makes a program from a line of shell."""

    def make(script: str, name: str = "child", stop_seconds: float = 5, **more: object) -> Program:
        command = ["/bin/sh", "-c", script]
        log = tmp_path / f"{name}.log"
        environment = {"PATH": "/usr/bin:/bin"}
        return Program(name, command, environment, log, timedelta(seconds=stop_seconds), **more)  # type: ignore[arg-type]

    return make


def nothing() -> None:
    """Nobody wants to know of changes."""


async def test_a_child_that_dies_is_named_and_started_again(
    program: MakeProgram, caplog: pytest.LogCaptureFixture
) -> None:
    changes: list[dict[str, int]] = []
    async with Supervisor(lambda: changes.append(dict(supervisor.pids))) as supervisor:
        supervisor.start(program(WAITS, "redirector"))
        first = await _pid(supervisor, "redirector")
        os.kill(first, signal.SIGKILL)
        await _until(lambda: supervisor.pids["redirector"] != first)
        await _until(lambda: len(changes) == 2)
    assert f"redirector (pid {first}) was killed by SIGKILL; starting it again in 0.2 s" in caplog.messages
    assert changes[0] != changes[1]
    assert not any(is_running(change["redirector"]) for change in changes)


async def test_a_child_that_keeps_dying_is_started_less_and_less_often(
    program: MakeProgram, caplog: pytest.LogCaptureFixture
) -> None:
    async with Supervisor(nothing) as supervisor:
        child = supervisor.start(program("exit 3"))
        await _until(lambda: child.deaths == 3)
    waits = [message.rpartition("again in ")[2] for message in caplog.messages]
    assert waits == ["0.2 s", "0.4 s", "0.8 s"]
    assert "exited with status 3" in caplog.messages[0]


async def test_children_are_stopped_one_after_the_other_the_last_first(program: MakeProgram, tmp_path: Path) -> None:
    order = tmp_path / "order"
    async with Supervisor(nothing) as supervisor:
        for name in ("postgres", "aggregator", "redirector"):
            ready = tmp_path / f"{name}.ready"
            trap = f"trap 'echo {name} >> {order}; exit 0' TERM; touch {ready}; while :; do sleep 0.02; done"
            supervisor.start(program(trap, name))
            await _until(ready.exists)
    assert order.read_text(encoding="utf-8").split() == ["redirector", "aggregator", "postgres"]


async def test_what_others_stand_on_is_stopped_last_and_at_the_same_time(program: MakeProgram, tmp_path: Path) -> None:
    order = tmp_path / "order"

    def traps(name: str, before_it_ends: str) -> str:
        ended = f"echo {name} >> {order}; {before_it_ends}; exit 0"
        return f"trap '{ended}' TERM; touch {tmp_path}/{name}.ready; while :; do sleep 0.02; done"

    # Each of the two ends only when the other was told as well.
    until_three = f"while [ $(wc -l < {order}) -lt 3 ]; do sleep 0.02; done"
    async with asyncio.timeout(10), Supervisor(nothing) as supervisor:
        for name in ("kafka", "postgres"):
            supervisor.start(program(traps(name, until_three), name, stop_seconds=20, is_foundation=True))
            await _until((tmp_path / f"{name}.ready").exists)
        supervisor.start(program(traps("aggregator", "true"), "aggregator"))
        await _until((tmp_path / "aggregator.ready").exists)
    first, *rest = order.read_text(encoding="utf-8").split()
    assert first == "aggregator"
    assert set(rest) == {"kafka", "postgres"}


async def test_a_child_that_does_not_stop_in_time_is_killed_with_what_it_started(
    program: MakeProgram, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pid_file = tmp_path / "grandchild"
    async with Supervisor(nothing) as supervisor:
        stubborn = f"trap '' TERM; sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait; sleep 600"
        supervisor.start(program(stubborn, stop_seconds=0.3))
        await _until(pid_file.exists)
    grandchild = int(pid_file.read_text(encoding="utf-8"))
    eventually(lambda: not is_running(grandchild))
    assert "did not stop in time and is killed" in caplog.messages[-1]


async def test_a_child_that_waits_for_its_next_start_is_stopped_at_once(program: MakeProgram) -> None:
    async with asyncio.timeout(5), Supervisor(nothing) as supervisor:
        child = supervisor.start(program("exit 1"))
        await _until(lambda: child.deaths == 1)


async def test_a_stop_right_after_a_start_leaves_nothing_behind(program: MakeProgram) -> None:
    async with Supervisor(nothing) as supervisor:
        supervisor.start(program(WAITS))
    assert not any(map(is_running, supervisor.pids.values()))


async def test_ctrl_c_at_the_terminal_does_not_reach_a_child(program: MakeProgram) -> None:
    async with Supervisor(nothing) as supervisor:
        supervisor.start(program(WAITS))
        pid = await _pid(supervisor, "child")
        assert os.getsid(pid) == pid


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib, datetime
from processes.programs import Program
from local.supervisor import Supervisor
async def main():
    command = ["/bin/sh", "-c", "echo $$; exec sleep 600"]
    program = Program("child", command, {{}}, pathlib.Path("{tmp_path}/log"), datetime.timedelta(seconds=5))
    async with Supervisor(lambda: None) as supervisor:
        supervisor.start(program)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        child = int(eventually((tmp_path / "log").exists) and eventually((tmp_path / "log").read_text))
        assert is_running(child)
        process.kill()
        process.wait()
        eventually(lambda: not is_running(child))


async def test_a_child_that_dies_while_starting_is_shown_by_the_end_of_its_log(program: MakeProgram) -> None:
    async with Supervisor(nothing) as supervisor:
        child = supervisor.start(program("for i in $(seq 50); do echo line $i; done; exit 1"))
        with pytest.raises(StartError) as caught:
            await supervisor.until_ready(child, _never, seconds_max=10)
    lines = str(caught.value).splitlines()
    assert "exited with status 1 while starting. The end of its log, " in lines[0]
    assert lines[1:] == [f"line {number}" for number in range(31, 51)]


async def test_a_child_that_is_never_ready_is_given_up(program: MakeProgram) -> None:
    async with Supervisor(nothing) as supervisor:
        child = supervisor.start(program(WAITS))
        with pytest.raises(StartError, match=r"child was not ready after 0 s; its log is .*child\.log"):
            await supervisor.until_ready(child, _never, seconds_max=0.2)


async def test_a_command_that_is_not_there_is_named(program: MakeProgram) -> None:
    missing = program(WAITS, command_name := "missing")
    missing = Program(command_name, ["/no/such/program"], {}, missing.log, missing.stop_deadline)
    async with Supervisor(nothing) as supervisor:
        child = supervisor.start(missing)
        with pytest.raises(StartError, match="/no/such/program cannot be run: No such file or directory"):
            await supervisor.until_ready(child, _never, seconds_max=10)


async def test_output_is_appended_to_the_log_of_the_child(program: MakeProgram, tmp_path: Path) -> None:
    talks, log = program("echo out; echo err >&2; exec sleep 600"), tmp_path / "child.log"
    for times in (1, 2):
        async with Supervisor(nothing) as supervisor:
            supervisor.start(talks)
            await _until(lambda: log.exists() and log.read_text() == "out\nerr\n" * times)  # noqa: B023


async def test_an_unready_child_is_forgiven_some_deaths(program: MakeProgram, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    third_time_well = f"echo . >> {marks}; [ $(wc -l < {marks}) -ge 3 ] && exec sleep 600; exit 1"

    async def is_ready() -> bool:
        return marks.exists() and marks.read_text(encoding="utf-8").count(".") == 3

    async with Supervisor(nothing) as supervisor:
        child = supervisor.start(program(third_time_well))
        await supervisor.until_ready(child, is_ready, seconds_max=10, deaths_max=2)
        assert child.deaths == 2


@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
async def test_a_child_runs_with_the_rights_of_its_account_alone(program: MakeProgram, tmp_path: Path) -> None:
    account, log = unprivileged_account(), tmp_path / "child.log"
    asks = program("id -u; id -G; exec sleep 600", account=account)
    async with Supervisor(nothing) as supervisor:
        supervisor.start(asks)
        await _until(lambda: log.exists() and log.read_text() == f"{account.uid}\n{account.gid}\n")


def test_a_signal_that_was_ignored_by_the_leash_is_not_by_the_child(program: MakeProgram) -> None:
    asks = program("grep SigIgn /proc/self/status")
    answer = subprocess.run(asks.leashed_command(), capture_output=True, text=True, check=True, timeout=10).stdout
    assert int(answer.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


async def _never() -> bool:
    return False


async def _until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await eventually_async(holds)


async def _pid(supervisor: Supervisor, name: str) -> int:
    await _until(lambda: name in supervisor.pids)
    return supervisor.pids[name]


@pytest.fixture(autouse=True)
def _all_log_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="local")
