"""What the lane answers while the journal cannot take clicks, or cannot sync them: what the policy says."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redirector.journal import journal as journaling
from stage.redirectors import running_redirector
from stage.sockets import exchange, listening

REQUEST = b"GET /plain HTTP/1.1\r\nHost: go.example.com\r\nConnection: close\r\n\r\n"


def _disk_fault(number: int) -> Callable[..., Any]:
    def failing(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return failing


def _full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journaling, "write_all", _disk_fault(errno.ENOSPC))


def _unsynced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "fdatasync", _disk_fault(errno.EIO))


@pytest.mark.parametrize(
    ("level", "fault", "recorded"), [("process", _full, 0), ("disk", _full, 0), ("disk", _unsynced, 1)]
)
@pytest.mark.parametrize(
    ("policy", "begins", "unrecorded"), [("redirect", b"HTTP/1.1 302 ", 1), ("refuse", b"HTTP/1.1 503 ", 0)]
)
async def test_the_policy_decides_in_the_lane_as_on_the_plain_path(  # noqa: PLR0917 - a table
    database_dsn: str,
    journals: Path,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    fault: Callable[[pytest.MonkeyPatch], None],
    recorded: int,
    policy: str,
    begins: bytes,
    unrecorded: int,
) -> None:
    """The same bytes; a click that is not safely there gives no click id, and is counted where people are sent on."""
    chosen = {"journal_level": level, "journal_full_policy": policy}
    async with running_redirector(database_dsn, journals, key, **chosen) as one:
        await one.issue(alias="plain")
        await one.click("plain")
        one.new_clicks()
        answers = []
        for lane in (True, False):
            async with listening(one.service, lane=lane) as port:
                with monkeypatch.context() as patch:
                    fault(patch)
                    answers.append(await exchange(port, [REQUEST]))
                assert (await exchange(port, [REQUEST])).startswith(b"HTTP/1.1 302 ")
        assert answers[0] == answers[1]
        assert answers[0].startswith(begins)
        assert b"click_id" not in answers[0]
        assert await one.metric("advolink_clicks_unrecorded_total") == 2 * unrecorded
        assert len(one.new_clicks()) == 2 + 2 * recorded
