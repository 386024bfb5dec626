"""The descriptions for machines say what the code does: OpenAPI of both services, AsyncAPI of every stream."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from http_api.problems import ProblemKind
from link_events.codec import CONTENT_TYPE
from link_events.events import EventType
from link_events.streams import PARTITIONS_DEFAULT, Stream
from stage.event_schemas import SCHEMAS, TOPICS
from stage.generated import OPENAPI, apps, openapi_files

OPENAPIS: Final = {name: app.openapi() for name, app in apps().items()}
ASYNCAPI: Final = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8"))
STREAM_TOPICS: Final = {
    stream: yaml.safe_load((TOPICS / f"{stream}.yaml").read_text(encoding="utf-8")) for stream in Stream
}

FOR_EVERYBODY: Final = {"/v1/self", "/v1/track.js", "/v1/beacon", "/v1/pixel.gif"}
"""Paths of the API that people open in their browsers, or their browsers for them."""


@pytest.mark.parametrize("path", openapi_files(), ids=lambda path: path.name)
def test_the_committed_openapi_is_what_the_app_serves(path: Path) -> None:
    assert path.read_bytes() == openapi_files()[path], "run `make docs`"


def test_no_openapi_is_of_a_service_that_is_gone() -> None:
    assert set(OPENAPI.iterdir()) == set(openapi_files())


@pytest.mark.parametrize("document", OPENAPIS.values(), ids=OPENAPIS)
def test_openapi_is_of_version_3_1_and_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    for reference in references(document):
        assert resolves(document, reference), reference


@pytest.mark.parametrize("document", OPENAPIS.values(), ids=OPENAPIS)
def test_whatever_needs_a_key_says_so_and_how_it_refuses(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for path, operation in operations(document):
        if path.startswith("/v1/") and path not in FOR_EVERYBODY:
            assert [list(needed) for needed in operation["security"]] == [["api_key"]], path
            assert {"401", "403", "503"} <= set(operation["responses"]), path
        else:
            assert "security" not in operation, path


@pytest.mark.parametrize("document", OPENAPIS.values(), ids=OPENAPIS)
def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(operation.get("summary") and operation.get("description") for _, operation in operations(document))


@pytest.mark.parametrize("document", OPENAPIS.values(), ids=OPENAPIS)
def test_every_error_is_a_problem_of_a_known_type(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(document)
    types = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert types == [kind.type for kind in ProblemKind]
    named = set(re.findall(r"urn:advolink:problem:[\w-]+", json.dumps(document)))
    assert named <= set(types)


@pytest.mark.parametrize("stream", Stream)
def test_asyncapi_has_the_topic_of_every_stream(stream: Stream) -> None:
    assert ASYNCAPI["asyncapi"].startswith("3.0.")
    assert ASYNCAPI["defaultContentType"] == CONTENT_TYPE
    channel, topic = ASYNCAPI["channels"][stream], STREAM_TOPICS[stream]
    kafka = channel["bindings"]["kafka"]
    assert channel["address"] == kafka["topic"] == topic["topic"] == stream.topic
    assert kafka["partitions"] == topic["creation"]["partitions"] == PARTITIONS_DEFAULT
    assert kafka["replicas"] == topic["creation"]["replication_factor"]
    config = topic["creation"]["config"]
    assert kafka["topicConfiguration"]["cleanup.policy"] == [config["cleanup.policy"]]
    assert kafka["topicConfiguration"]["retention.ms"] == int(config["retention.ms"])


def test_asyncapi_has_a_message_for_every_event_of_the_topics_with_its_schema() -> None:
    messages = {message["name"]: message for message in ASYNCAPI["components"]["messages"].values()}
    payloads = {name: Path(message["payload"]["schema"]["$ref"]) for name, message in messages.items()}
    assert payloads == {
        event["type"]: Path("events", event["schema"]) for topic in STREAM_TOPICS.values() for event in topic["events"]
    }
    assert set(payloads) == set(EventType)
    assert all((SCHEMAS / path).is_file() for path in payloads.values())


@pytest.mark.parametrize("stream", Stream)
def test_a_channel_of_asyncapi_carries_what_its_topic_does_both_ways(stream: Stream) -> None:
    expected = {event["type"].split(".")[1] for event in STREAM_TOPICS[stream]["events"]}
    assert set(ASYNCAPI["channels"][stream]["messages"]) == expected
    for verb in ("ship", "apply"):
        operation = ASYNCAPI["operations"][f"{verb}{stream.capitalize()}"]
        assert operation["channel"]["$ref"] == f"#/channels/{stream}"
        assert {message["$ref"].rpartition("/")[2] for message in operation["messages"]} == expected


def test_references_of_asyncapi_lead_somewhere() -> None:
    for reference in references(ASYNCAPI):
        assert resolves(ASYNCAPI, reference), reference


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its path."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def references(part: Any) -> Iterator[str]:
    """Every `$ref` in `part`."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolves(document: Any, reference: str) -> bool:
    """Whether a reference points at something, in the document or in a file beside it."""
    file, _, pointer = reference.partition("#")
    if file:
        return (SCHEMAS / file).is_file()
    for name in pointer.strip("/").split("/"):
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True
