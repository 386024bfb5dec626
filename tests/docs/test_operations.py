"""docs/operations.md, README and the code agree: settings, metrics, commands, targets, words."""

import importlib
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import click
import pytest
from pydantic_settings import BaseSettings

from advolink.__main__ import main
from aggregator.applying.interruptions import Interruption
from aggregator.dead_letters.stored import DeadLetterState
from aggregator.holes.stored import HoleState
from aggregator.journals.states import HeldBackBy, JournalState
from database.signing_keys import SigningKeyState
from event_log.settings import EventLogSettings, KafkaSettings
from http_api.settings import ServiceSettings
from link_events.click_ids import CLICK_ID_NAME, ClickIdOutcome
from link_events.reasons import DeadLetterReason, HoleKind, NetworkFact, StopReason
from redirector.metrics import TurnedAway, Unknown
from redirector.self_clicks.own_clicks import COOKIE_NAME
from redirector.settings import FullPolicy
from stage.generated import METRICS, OPERATIONS, SETTINGS, metric_names, tables_in, variables, with_current_tables
from stage.markdown import blocks, code_words, read
from stage.requirements import REPOSITORY

TEXT: Final = OPERATIONS.read_text(encoding="utf-8")
READERS: Final = ("README.md", "docs/api.md", "docs/operations.md", "docs/architecture.md")
"""What must not speak of things that are not there. ADRs and the changelog may, of what was and what will be."""

TEST_VARIABLES: Final = {"ADVOLINK_DATA", "ADVOLINK_REQUIRE"}
DERIVED: Final = ("_bucket", "_count", "_sum")
"""What Prometheus adds to a histogram's name."""

QUOTED: Final = (
    "is already in use",
    "is in use by another",
    "changed after it was applied",
    "which is needed to read it",
    "left alone from now on",
    "cannot be continued and is left as it is",
    "the event log has lost what it had acked",
    "and comes from no trusted proxy",
    "Postgres has another customer key than before",
)
"""What people search the document for when they have met it."""

NO_METRICS: Final = {CLICK_ID_NAME, COOKIE_NAME}
"""What is named as metrics are, and is none: a parameter and a cookie."""

OTHERS_FLAGS: Final = {"--help", "--exclude-table-data"}
"""What click adds to every command, and one of pg_dump's."""

DERIVED_FROM: Final = (BaseSettings, ServiceSettings, KafkaSettings, EventLogSettings)
"""Settings that others are made of; nobody reads them alone."""


def test_the_tables_are_those_of_the_code() -> None:
    assert with_current_tables(TEXT) == TEXT, "run `make docs`"


def test_there_is_a_table_for_each_service() -> None:
    expected = {("settings", name) for name in SETTINGS} | {("metrics", name) for name in METRICS}
    assert tables_in(TEXT) == expected


def test_every_settings_class_has_its_place() -> None:
    listed = {settings for classes in SETTINGS.values() for settings in classes}
    assert set(settings_classes()) == listed


def test_every_setting_says_what_it_sets() -> None:
    silent = [
        variable
        for classes in SETTINGS.values()
        for variable, field in variables(*classes).items()
        if not field.description
    ]
    assert not silent


@pytest.mark.parametrize("name", [*READERS, "Makefile", ".ci/run"])
def test_every_variable_that_is_named_is_read(name: str) -> None:
    known = {variable for classes in SETTINGS.values() for variable in variables(*classes)} | TEST_VARIABLES
    assert set(re.findall(r"\bADVOLINK_[A-Z_]+\b", read(name))) <= known


@pytest.mark.parametrize("name", READERS)
def test_every_metric_that_is_named_is_there(name: str) -> None:
    known = {metric for registry in METRICS.values() for metric in metric_names(registry())} | NO_METRICS
    named = {derived_from(metric) for metric in re.findall(r"\badvolink_[a-z_]+\b", read(name))}
    assert named <= known


@pytest.mark.parametrize("name", READERS)
def test_every_command_that_is_named_is_there(name: str) -> None:
    for words in commands_in(read(name)):
        command: click.Command = main
        for word in words:
            if not isinstance(command, click.Group) or word.startswith("-"):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"{name} names `advolink {' '.join(words)}`"
            command = found


@pytest.mark.parametrize("name", READERS)
def test_every_flag_that_is_named_is_there(name: str) -> None:
    flags = {
        flag
        for command in every_command(main)
        for parameter in command.params
        for flag in getattr(parameter, "opts", ())
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", read(name))) <= flags | OTHERS_FLAGS


def test_every_command_is_told_of() -> None:
    told = {" ".join(words) for name in READERS for words in commands_in(read(name))}
    leaves = {path for path, command in command_paths(main) if not isinstance(command, click.Group)}
    assert not [path for path in leaves if not any(f"{words} ".startswith(f"{path} ") for words in told)]


@pytest.mark.parametrize("name", READERS)
def test_every_make_target_that_is_named_is_there(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    text = read(name)
    spans = [*code_words(text), *(block.text for block in blocks(text))]
    named = {target for span in spans for target in re.findall(r"^make ([a-z-]+)", span, re.MULTILINE)}
    assert named <= targets


WORDS: Final = (
    ClickIdOutcome,
    DeadLetterReason,
    DeadLetterState,
    FullPolicy,
    HeldBackBy,
    HoleKind,
    HoleState,
    Interruption,
    JournalState,
    NetworkFact,
    SigningKeyState,
    StopReason,
    Unknown,
    TurnedAway,
)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_every_word_that_an_operator_meets_is_named(words: type[StrEnum]) -> None:
    assert {word.value for word in words} <= code_words(TEXT)


def test_alerts_speak_of_metrics() -> None:
    alerts = re.findall(r"^\| `([^`]*advolink_[^`]*)`", TEXT, re.MULTILINE)
    assert len([alert for alert in alerts if re.search(r"[<>=]", alert)]) >= 15


WATCHED: Final = re.findall(r"(?:increase|rate)\((\w+)(?:\{(\w+)=\"(\w+)\"\})?\[", TEXT)


@pytest.mark.parametrize(("name", "label", "value"), WATCHED, ids=lambda part: part)
def test_what_alerts_expect_to_grow_is_there_from_the_start(name: str, label: str, value: str) -> None:
    """Prometheus sees no increase in what begins at 1: the first dead letter would alert nobody."""
    families = [family for registry in METRICS.values() for family in registry().collect()]
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    assert any(not label or sample.labels[label] == value for sample in samples)


@pytest.mark.parametrize("words", QUOTED)
def test_what_operations_quotes_is_what_the_code_says(words: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "services").rglob("*.py"))
    assert words in " ".join(TEXT.split())
    assert words in sources


def settings_classes() -> Iterator[type[BaseSettings]]:
    """Every settings class of the services, but for what others are derived from."""
    for path in (REPOSITORY / "services").glob("*/settings.py"):
        module = importlib.import_module(f"{path.parent.name}.settings")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseSettings) and value not in DERIVED_FROM:
                yield value


def derived_from(metric: str) -> str:
    """The metric whose samples `metric` names."""
    for suffix in DERIVED:
        metric = metric.removesuffix(suffix)
    return metric


def commands_in(text: str) -> Iterator[list[str]]:
    """What follows `advolink` wherever it stands as a command."""
    spans = [*code_words(text), *(block.text for block in blocks(text))]
    for span in spans:
        for found in re.findall(r"(?:^|/)advolink ([a-z][^\n#]*)", span, re.MULTILINE):
            yield shlex.split(found.replace("…", ""))


def every_command(group: click.Command) -> Iterator[click.Command]:
    """The command and all below it."""
    return (command for _, command in command_paths(group))


def command_paths(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command by the words it is called with."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from command_paths(below, f"{path} {name}".strip())
