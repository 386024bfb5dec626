"""docs/contests.md lets an organiser set up the original contest: its commands answer what it shows."""

from datetime import date
from pathlib import Path
from typing import Final

from aggregator.contests.rules import Finalize, Metric, PrizeTies, TieBreak, WhyAbsent
from stage.examples import Terminal, run_step, steps
from stage.markdown import code_words, read
from stage.up import Up

TEXT: Final = read("docs/contests.md")

WRITTEN_ON: Final = date(2026, 11, 27)


def test_the_examples_run_as_they_stand(stack: Up, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, stack)
    for step in steps(TEXT):
        run_step(step, terminal, WRITTEN_ON)


def test_every_word_of_the_rules_is_told_of() -> None:
    words = code_words(TEXT)
    assert {*Metric, *TieBreak, *PrizeTies, *Finalize, *WhyAbsent} <= words
