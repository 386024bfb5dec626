"""docs/conversions.md lets a web developer integrate: commands answer what it shows; tests/browser opens its HTML."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from link_events.reasons import ConversionState, Model
from redirector.routes.browsers import BROWSER_TOUCHES_MAX
from stage.api import Api
from stage.examples import ANSWERS, Terminal, run_step, steps
from stage.markdown import blocks, code_words, read
from stage.up import Up

TEXT: Final = read("docs/conversions.md")

WRITTEN_ON: Final = date(2026, 11, 26)


@pytest.fixture
def api(stack: Up) -> Iterator[Api]:
    """The API of a stack whose programme is afterwards what it was."""
    opened = Api(stack)
    yield opened
    opened.aggregator.put("/v1/programme", json={}).raise_for_status()
    opened.close()


def test_the_examples_run_as_they_stand(api: Api, stack: Up, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, stack)
    for step in steps(TEXT):
        run_step(step, terminal, WRITTEN_ON)
        if "browser_origins" in step.commands:
            api.pages_may_report("https://shop.example.com")


def test_every_way_to_report_is_shown() -> None:
    commands = "\n".join(step.commands for step in steps(TEXT))
    ways = ("/v1/conversions", "/v1/reversals", "/v1/beacon", "/v1/pixel.gif")
    assert not [way for way in ways if way not in commands]
    assert sum(step.answer is not None for step in steps(TEXT)) >= 6


def test_every_answer_belongs_to_a_command() -> None:
    languages = [block.language for block in blocks(TEXT)]
    assert set(languages) <= {"sh", "html", *ANSWERS}
    assert all(before == "sh" for before, after in pairwise(languages) if after in ANSWERS)


def test_every_state_and_every_model_is_told_of() -> None:
    assert {*ConversionState, *Model} <= code_words(TEXT)


def test_limits_are_those_of_the_code() -> None:
    assert TEXT.count(f"at most {BROWSER_TOUCHES_MAX}") == 2
