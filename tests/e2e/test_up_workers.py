"""`advolink up --workers 2`: one redirector of two processes, which up.json names as they are now."""

import os
import signal
from pathlib import Path

from stage.api import Api
from stage.up import data_directory, is_running, started_up
from stage.waiting import eventually

WORKERS = ("redirector-1", "redirector-2")


def test_workers_are_named_and_a_killed_one_under_its_new_pid(tmp_path: Path) -> None:
    """They redirect, are counted, and end with the stack."""
    with data_directory(tmp_path) as directory, started_up(directory, "--workers=2") as up:
        up.until_up()
        pids = up.pids
        assert set(pids) == {"redirector", *WORKERS, "aggregator", "postgres", "up"}
        os.kill(pids["redirector-2"], signal.SIGKILL)
        eventually(lambda: is_running(up.pids["redirector-2"]), what="it is back and up.json says so")
        assert {**up.pids, "redirector-2": 0} == {**pids, "redirector-2": 0}
        client = Api(up)
        try:
            client.caught_up()
        finally:
            client.close()
        pids = up.pids
        assert up.stop() == 0
        assert not any(is_running(pid) for pid in pids.values())
        assert not (directory / "journals" / "workers.json").exists()
