"""README's example does what it says: every command of it is run as it stands, and its answers are those it shows."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

from stage.examples import Terminal, run_step, steps
from stage.markdown import blocks, read, sections
from stage.up import Up

README: Final = read("README.md")

WRITTEN_ON: Final = date(2026, 11, 22)


def test_the_example_runs_as_it_stands(stack: Up, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, stack)
    for step in steps(README):
        run_step(step, terminal, WRITTEN_ON)


def test_the_example_shows_what_there_is_to_see() -> None:
    commands = "\n".join(step.commands for step in steps(README))
    shown = ("/v1/advocates/", "/v1/links", "-A ", "granularity=day", "granularity=week", "granularity=quarter")
    missing = [part for part in (*shown, "/v1/clicks?", "import clicks") if part not in commands]
    assert not missing
    assert sum(step.answer is not None for step in steps(README)) >= 6


def test_every_answer_belongs_to_a_command() -> None:
    languages = [block.language for block in blocks(README)]
    assert set(languages) <= {"sh", "json", "http", "text"}
    assert languages[0] == "sh"
    assert all(before == "sh" for before, after in pairwise(languages) if after != "sh")


def test_the_purpose_takes_five_lines() -> None:
    purpose = sections(README)["advolink"].strip()
    assert 1 <= len(purpose.splitlines()) <= 5
