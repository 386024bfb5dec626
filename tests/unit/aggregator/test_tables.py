"""What commands show is whole on any terminal: an id that cannot be copied is of no use."""

import pytest

from aggregator import commands
from aggregator.commands import show_table

COLUMNS = ("first event", "kind", "why")
ROWS: list[tuple[object, ...]] = [
    ("00c0ffee00c0ffee-c7-42", "missing", "its disk is gone, " * 5),
    ("00c0ffee00c0ffee-c7-99", "missing", ""),
]


def _shown(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(commands, "PIPE_WIDTH", width)
    show_table(*COLUMNS, rows=ROWS)
    return capsys.readouterr().out


def test_what_is_piped_is_a_line_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """So that other programs can search it."""
    shown = _shown(commands.PIPE_WIDTH, monkeypatch, capsys)
    assert all(any(str(first) in line and str(why) in line for line in shown.splitlines()) for first, _, why in ROWS)


def test_the_last_column_is_folded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is, and nothing is cut."""
    shown = _shown(60, monkeypatch, capsys)
    assert max(map(len, shown.splitlines())) <= 60
    assert all(str(first) in shown for first, _, _ in ROWS)
    assert (shown.count("disk"), "…" in shown) == (5, False)


def test_a_terminal_that_is_too_narrow_gets_a_block_of_lines_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without what is empty."""
    assert _shown(30, monkeypatch, capsys) == (
        f"first event  00c0ffee00c0ffee-c7-42\nkind         missing\nwhy          {ROWS[0][2]}\n\n"
        "first event  00c0ffee00c0ffee-c7-99\nkind         missing\n\n"
    )
