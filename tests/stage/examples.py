"""Examples of our documents, run as they stand: commands in a shell, and what they answer beside what is shown."""

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
from pathlib import Path
from typing import Any, Final

from stage.markdown import Block, blocks
from stage.requirements import Requirement, need
from stage.up import Up
from stage.waiting import eventually

COMMAND_SECONDS_MAX: Final = 60

ANSWERS: Final = frozenset({"json", "http", "text"})
"""What a block behind commands is in that shows their answer."""


@dataclass(frozen=True)
class Step:
    """Commands, and what they answer as the document shows it."""

    commands: str
    answer: Block | None

    @property
    def only_asks(self) -> bool:
        """Whether running it again changes nothing."""
        asks = "curl" in self.commands or "contest try" in self.commands
        return asks and not re.search(r" -[dXA] | import ", self.commands)


class Terminal:
    """A shell in the directory of `make run`, which finds the stack where documents say that it is."""

    def __init__(self, place: Path, stack: Up) -> None:
        self._place = place
        self._assignments: list[str] = []
        need(Requirement.CURL, present=shutil.which("curl") is not None, reason="there is no curl")
        (place / ".advolink").symlink_to(stack.directory)
        (place / ".venv").symlink_to(sys.prefix)
        # The stack listens on free ports; this sends what is meant for the documents' ports there.
        services = {"8080": stack.content["redirector"], "8081": stack.content["aggregator"]}
        ways = [f'connect-to = "127.0.0.1:{port}:{url.removeprefix("http://")}"' for port, url in services.items()]
        (place / ".curlrc").write_text("\n".join(["silent", "show-error", *ways, ""]), encoding="utf-8")
        self._shown = {url: f"http://127.0.0.1:{port}" for port, url in services.items()}

    def run(self, commands: str) -> str:
        """What `commands` say, with the documents' ports in it. Variables are kept for later commands."""
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


def steps(text: str) -> Iterator[Step]:
    """The commands of a document in order, but those that are for before and after its examples."""
    found = blocks(text)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language == "sh" and not block.text.startswith("make"):
            yield Step(block.text, following if following and following.language in ANSWERS else None)


def run_step(step: Step, terminal: Terminal, written_on: date) -> None:
    """Run the commands of a document that was written on that day, and see that they answer what it shows.

    What becomes of events takes a while: until then, what only asks is asked again.
    """
    if step.only_asks:
        with suppress(AssertionError):  # what it still says then is shown below
            eventually(partial(_answers, step, terminal, written_on))
    said = terminal.run(step.commands)
    differs = _mismatch(step, said, written_on)
    assert not differs, f"{step.commands}\nsays\n{said}\n{differs}"


def _answers(step: Step, terminal: Terminal, written_on: date) -> bool:
    return not _mismatch(step, terminal.run(step.commands), written_on)


def _mismatch(step: Step, said: str, written_on: date) -> str:
    """How `said` differs from the answer that is shown; empty where it does not."""
    match step.answer:
        case None:
            return ""
        case Block("json", text):
            return _json_mismatch(_for_today(_json_values(text), written_on), said)
        case Block("http", text):
            lines = {_without_id(line) for line in said.splitlines()}
            return "\n".join(line for line in map(_without_id, text.splitlines()) if line not in lines)
        case Block(_, text):
            rest = iter(said.splitlines())
            return "\n".join(line for line in text.splitlines() if line not in rest)


def _without_id(line: str) -> str:
    """A header line as it is compared: without case, and with the same click id in all of them."""
    return re.sub(r"(?<=click_id=)[a-z0-9_-]{40}$", "…", line.lower())


def _json_mismatch(shown: list[Any], said: str) -> str:
    """How `said` differs from the values that are shown."""
    try:
        answered = _json_values(said)
    except ValueError as error:
        return f"no JSON: {error}"
    if len(answered) != len(shown):
        return f"{len(answered)} answers, {len(shown)} are shown"
    return "\n".join(_differences(shown, answered))


def _differences(shown: Any, answered: Any, where: str = "") -> Iterator[str]:
    """Where `answered` says something else than `shown`; fields that are not shown may say anything."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        for name, value in shown.items():
            yield from _differences(value, answered.get(name, "nothing at all"), f"{where}/{name}")
    elif isinstance(shown, list) and isinstance(answered, list) and len(shown) == len(answered):
        for place, (one, other) in enumerate(zip(shown, answered, strict=True)):
            yield from _differences(one, other, f"{where}/{place}")
    elif shown != answered:
        yield f"{where}: {shown!r} is shown, {answered!r} is answered"


def _json_values(text: str) -> list[Any]:
    """The JSON values in `text`, one after the other."""
    values, decoder, rest = [], json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[end:].strip()
    return values


def _for_today(shown: list[Any], written_on: date) -> list[Any]:
    """`shown` with today, this week and this quarter in place of those of the day on which it was written."""
    text = json.dumps(shown)
    for label, current in zip(_labels(written_on), _labels(datetime.now(UTC).date()), strict=True):
        text = text.replace(f'"{label}"', f'"{current}"')
    return list(json.loads(text))


def _labels(day: date) -> tuple[str, str, str]:
    """How a day, its week and its quarter are called, worked out by no code of ours."""
    year, week, _ = day.isocalendar()
    return day.isoformat(), f"{year}-W{week:02}", f"{day.year}-Q{(day.month + 2) // 3}"
