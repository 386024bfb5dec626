"""README's example does what it says: every command of it is run as it stands, and its answers are those it shows."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from stage.markdown import Block, blocks, read, sections
from stage.requirements import Requirement, need
from stage.up import Up
from stage.waiting import eventually

README: Final = read("README.md")

EXAMPLE_DAY: Final = date(2026, 11, 22)
"""The day on which README's example was written; the reader's day stands there when it is run."""

COMMAND_SECONDS_MAX: Final = 60


@dataclass(frozen=True)
class Step:
    """Commands, and what they answer as README shows it."""

    commands: str
    answer: Block | None

    @property
    def only_asks(self) -> bool:
        """Whether running it again changes nothing."""
        return "curl" in self.commands and not re.search(r" -[dXA] | import ", self.commands)


class Terminal:
    """A shell in the directory of `make run`, which finds the stack where README says that it is."""

    def __init__(self, place: Path, stack: Up) -> None:
        self._place = place
        self._assignments: list[str] = []
        (place / ".advolink").symlink_to(stack.directory)
        (place / ".venv").symlink_to(sys.prefix)
        # The stack listens on free ports; this sends what is meant for README's ports there.
        services = {"8080": stack.content["redirector"], "8081": stack.content["aggregator"]}
        ways = [f'connect-to = "127.0.0.1:{port}:{url.removeprefix("http://")}"' for port, url in services.items()]
        (place / ".curlrc").write_text("\n".join(["silent", "show-error", *ways, ""]), encoding="utf-8")
        self._shown = {url: f"http://127.0.0.1:{port}" for port, url in services.items()}

    def run(self, commands: str) -> str:
        """What `commands` say, with README's ports in it. Variables are kept for later commands."""
        script = "\n".join([*self._assignments, commands])
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            check=False,
            cwd=self._place,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "CURL_HOME": str(self._place), "HOME": str(self._place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
        )
        assert done.returncode == 0, f"{commands}\nends with {done.returncode} and says:\n{done.stdout}"
        self._assignments += re.findall(r"^\w+=.*$", commands, re.MULTILINE)
        said = done.stdout
        for url, shown in self._shown.items():
            said = said.replace(url, shown)
        return said


@pytest.fixture
def terminal(stack: Up, tmp_path: Path) -> Terminal:
    """A shell beside a running stack."""
    need(Requirement.CURL, present=shutil.which("curl") is not None, reason="there is no curl")
    return Terminal(tmp_path, stack)


def test_the_example_runs_as_it_stands(terminal: Terminal) -> None:
    for step in steps():
        if step.only_asks:
            with suppress(AssertionError):  # what it still says then is shown below
                eventually(partial(answers, step, terminal))
        said = terminal.run(step.commands)
        assert not mismatch(step, said), f"{step.commands}\nsays\n{said}\n{mismatch(step, said)}"


def test_the_example_shows_what_there_is_to_see() -> None:
    commands = "\n".join(step.commands for step in steps())
    shown = ("/v1/advocates/", "/v1/links", "-A ", "granularity=day", "granularity=week", "granularity=quarter")
    missing = [part for part in (*shown, "/v1/clicks?", "import clicks") if part not in commands]
    assert not missing
    assert sum(step.answer is not None for step in steps()) >= 6


def test_every_answer_belongs_to_a_command() -> None:
    languages = [block.language for block in blocks(README)]
    assert set(languages) <= {"sh", "json", "http", "text"}
    assert languages[0] == "sh"
    assert all(before == "sh" for before, after in pairwise(languages) if after != "sh")


def test_the_purpose_takes_five_lines() -> None:
    purpose = sections(README)["advolink"].strip()
    assert 1 <= len(purpose.splitlines()) <= 5


def answers(step: Step, terminal: Terminal) -> bool:
    """Whether the commands answer what README shows."""
    return not mismatch(step, terminal.run(step.commands))


def steps() -> Iterator[Step]:
    """README's commands in order, but those that are for before and after the example."""
    found = blocks(README)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language == "sh" and not block.text.startswith("make"):
            answer = following if following and following.language != "sh" else None
            yield Step(block.text, answer)


def mismatch(step: Step, said: str) -> str:
    """How `said` differs from the answer that README shows; empty where it does not."""
    match step.answer:
        case None:
            return ""
        case Block("json", text):
            return json_mismatch(for_today(json_values(text)), said)
        case Block("http", text):
            lines = {without_id(line) for line in said.splitlines()}
            return "\n".join(line for line in map(without_id, text.splitlines()) if line not in lines)
        case Block(_, text):
            rest = iter(said.splitlines())
            return "\n".join(line for line in text.splitlines() if line not in rest)


def without_id(line: str) -> str:
    """A header line as it is compared: without case, and with the same click id in all of them."""
    return re.sub(r"(?<=click_id=)[a-z0-9_-]{40}$", "…", line.lower())


def json_mismatch(shown: list[Any], said: str) -> str:
    """How `said` differs from the values that are shown."""
    try:
        answered = json_values(said)
    except ValueError as error:
        return f"no JSON: {error}"
    if len(answered) != len(shown):
        return f"{len(answered)} answers, {len(shown)} are shown"
    return "\n".join(differences(shown, answered))


def differences(shown: Any, answered: Any, where: str = "") -> Iterator[str]:
    """Where `answered` says something else than `shown`; fields that are not shown may say anything."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        for name, value in shown.items():
            yield from differences(value, answered.get(name, "nothing at all"), f"{where}/{name}")
    elif isinstance(shown, list) and isinstance(answered, list) and len(shown) == len(answered):
        for place, (one, other) in enumerate(zip(shown, answered, strict=True)):
            yield from differences(one, other, f"{where}/{place}")
    elif shown != answered:
        yield f"{where}: {shown!r} is shown, {answered!r} is answered"


def json_values(text: str) -> list[Any]:
    """The JSON values in `text`, one after the other."""
    values, decoder, rest = [], json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[end:].strip()
    return values


def for_today(shown: list[Any]) -> list[Any]:
    """`shown` with today, this week and this quarter in place of those of the example."""
    text = json.dumps(shown)
    for label, current in zip(labels(EXAMPLE_DAY), labels(datetime.now(UTC).date()), strict=True):
        text = text.replace(f'"{label}"', f'"{current}"')
    return list(json.loads(text))


def labels(day: date) -> tuple[str, str, str]:
    """How a day, its week and its quarter are called, worked out by no code of ours."""
    year, week, _ = day.isocalendar()
    return day.isoformat(), f"{year}-W{week:02}", f"{day.year}-Q{(day.month + 2) // 3}"
