"""docs/api.md tells of every endpoint and every word of the API, and of nothing else."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, cast

import pytest

from aggregator.clicks.absence import Absence
from aggregator.counts.asking import ROWS_DEFAULT, ROWS_MAX, GroupBy
from aggregator.counts.tables import CountsTable
from aggregator.journals.states import HeldBackBy, JournalState
from database.keys import Scope
from http_api.management import management_app
from http_api.problems import ProblemKind
from link_events.periods import Granularity
from link_events.reasons import ActivityKind, ConversionState, LinkState, Model, Reason, TouchOutcome, Verdict, Via
from redirector.codes import RESERVED
from redirector.conversions.answers import Answer
from redirector.imports.lines import ImportFormat, RefusedLine
from stage.generated import apps
from stage.markdown import code_words, read, sections

API: Final = read("docs/api.md")
DOCUMENTS: Final[Mapping[str, Any]] = {name: app.openapi() for name, app in apps().items()}
WORDS: Final = code_words(API)
OPERATIONS: Final = [
    (f"{method.upper()} {path}", operation)
    for document in DOCUMENTS.values()
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
]


def test_every_endpoint_has_a_section_and_nothing_else_has() -> None:
    documented = {heading.strip("`") for heading in sections(API) if re.match(r"`[A-Z]+ /", heading)}
    assert documented == {name for name, _ in OPERATIONS}


def test_every_path_outside_the_openapi_documents_is_told_of() -> None:
    described = {path for document in DOCUMENTS.values() for path in document["paths"]}
    nothing = cast("Any", None)
    for app in (*apps().values(), management_app(nothing, nothing, nothing)):
        paths = {getattr(route, "path", "") for route in app.routes} - described
        missing = [
            path for path in paths if path and path not in API and not path.startswith(("/v1/docs/", "/{code}/"))
        ]
        assert not missing


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_a_section_names_the_scope(name: str, operation: Mapping[str, Any]) -> None:
    scopes = [scope for needed in operation.get("security", []) for scope in needed["api_key"]]
    expected = f"Scope: `{scopes[0]}`" if scopes else "Scope: none"
    assert expected in section(name)


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_a_section_names_every_parameter_and_field_that_is_sent(name: str, operation: Mapping[str, Any]) -> None:
    sent = {parameter["name"] for parameter in operation.get("parameters", [])}
    sent |= set(fields(operation.get("requestBody", {}), ""))
    written = set(re.findall(r"`([^`]+)`", section(name))) | set(re.findall(r"\{(\w+)\}", name))
    assert sent <= written


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_field_that_is_answered_is_named(name: str, operation: Mapping[str, Any]) -> None:
    answered = {
        field
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for field in fields(response, "")
    }
    assert answered <= WORDS


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_a_section_names_every_refusal_of_its_own(name: str, operation: Mapping[str, Any]) -> None:
    own = [
        (status, kind)
        for status, response in operation["responses"].items()
        for kind in re.findall(r"urn:advolink:problem:([\w-]+)", response.get("description", ""))
        if "$ref" not in response and kind != ProblemKind.INVALID_FIELD
    ]
    text = section(name)
    assert not [(status, kind) for status, kind in own if f"`{kind}`" not in text or status not in text]


@pytest.mark.parametrize(
    "words",
    [
        Scope,
        ProblemKind,
        Verdict,
        Reason,
        LinkState,
        RefusedLine,
        ImportFormat,
        Granularity,
        GroupBy,
        HeldBackBy,
        JournalState,
        Absence,
        CountsTable,
        Answer,
        ActivityKind,
        ConversionState,
        TouchOutcome,
        Model,
        Via,
    ],
    ids=lambda words: words.__name__,
)
def test_every_word_of_a_closed_set_is_named(words: type[StrEnum]) -> None:
    assert {word.value for word in words} <= WORDS


def test_every_problem_has_its_row_and_no_row_is_of_another() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\d{3}) \|", sections(API)["Errors"], re.MULTILINE)
    assert {kind for kind, _ in rows} == {kind.value for kind in ProblemKind}
    assert [status for _, status in rows] == sorted(status for _, status in rows)


def test_reserved_words_and_limits_are_those_of_the_code() -> None:
    assert RESERVED <= WORDS
    shown = f"{ROWS_MAX:_}".replace("_", " "), f"{ROWS_DEFAULT:_}".replace("_", " ")
    assert f"1 to {shown[0]}, {shown[1]} unless set" in " ".join(API.split())


def section(name: str) -> str:
    """What docs/api.md says of an operation."""
    return sections(API)[f"`{name}`"]


def fields(part: Any, name: str) -> Iterator[str]:
    """The names of every field in a part of an OpenAPI document, references followed."""
    if isinstance(part, list):
        for one in part:
            yield from fields(one, name)
    if not isinstance(part, dict):
        return
    if "$ref" in part:
        yield from fields(resolved(part["$ref"]), name)
    for key, value in part.items():
        if key == "properties":
            yield from value
        yield from fields(value, key)


def resolved(reference: str) -> Any:
    """What a reference of either document points to."""
    kind, name = reference.removeprefix("#/components/").split("/")
    return next(
        document["components"][kind][name] for document in DOCUMENTS.values() if name in document["components"][kind]
    )
