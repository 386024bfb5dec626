"""The schemas, their examples and the topics say what the code does, and nothing in schemas/ is dead."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from event_log.kafka.dead_letters import TOPIC as DEAD_LETTER_TOPIC
from link_events.codec import UndecodableError, decode, encode
from link_events.currencies import CURRENCIES
from link_events.events import (
    DATA_CONTENT_TYPE,
    LANGUAGE_CHARS_MAX,
    METHOD_CHARS_MAX,
    REFERRER_ORIGIN_CHARS_MAX,
    SIGNAL_CHARS_MAX,
    SIGNAL_HEADERS,
    TOUCHES_MAX,
    USER_AGENT_CHARS_MAX,
    VALUE_MINOR_MAX,
    VISITOR_CHARS_MAX,
    Click,
    EventType,
    Fact,
)
from link_events.facts import CUSTOMER_PATTERN, DAY_PATTERN
from link_events.identity import (
    ADVOCATE_ID_PATTERN,
    CODE_PATTERN,
    EXTERNAL_ID_PATTERN,
    KIND_PATTERN,
    SOURCE_PATTERN,
    Origin,
    parse_event_id,
)
from link_events.instants import INSTANT_PATTERN
from link_events.reasons import ActivityKind, LinkState, Via
from link_events.streams import PARTITIONS_DEFAULT, Stream
from stage.event_schemas import EVENT_SCHEMAS, EXAMPLES, TOPICS, Schema, read_json, reader_schema, writer_schema
from stage.events import (
    PLAIN_ACTIVITY,
    PLAIN_CLICK,
    PLAIN_CONVERSION,
    PLAIN_REVERSAL,
    instants,
    origins,
    stream_events,
)

EXAMPLES_ORIGIN: Final = parse_event_id("00c0ffee00c0ffee-c7-42")
OTHERS_ORIGINS: Final = {
    "conversion": parse_event_id("00c0ffee00c0ffee-v3-17"),
    "reversal": parse_event_id("00c0ffee00c0ffee-v3-17"),
    "activity": parse_event_id("00c0ffee00c0ffee-a5-2"),
}
"""What every example travels as, so that a broken id is found broken: by its event, where that is of another stream."""

ENVELOPE: Final = "envelope.v1.schema.json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
STRICT_DIALECT: Final = Draft202012Validator(
    {
        "$schema": DIALECT,
        "$id": "https://advolink.invalid/strict-dialect",
        "$dynamicAnchor": "meta",
        "$ref": DIALECT,
        "unevaluatedProperties": False,
    }
)
"""JSON Schema ignores keywords that it does not know, so a misspelled one checks nothing. Here it is refused."""

TOPIC_SCHEMA: Final = TOPICS / "topic.schema.json"
SCHEMA_FILES: Final = sorted(EVENT_SCHEMAS.iterdir())
TOPIC_FILES: Final = sorted(TOPICS.glob("*.yaml"))
GOOD_EXAMPLES: Final = sorted(EXAMPLES.rglob("good*.json"))
BAD_EXAMPLES: Final = sorted(EXAMPLES.rglob("bad-*.json"))
GOLDEN_VECTORS: Final = {EXAMPLES / "click-ids.v1.json"}
"""What is no event. test_click_ids.py reads it."""


def _name(path: Path) -> str:
    return path.relative_to(EVENT_SCHEMAS.parent).as_posix()


def _topics() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in TOPIC_FILES]


def _listed(part: str) -> set[str]:
    return {event[part] for topic in _topics() for event in topic.get("events", ())}


def _schema_of(example: Path) -> str:
    """The schema of an example: examples/click/1/… is told by click.v1.schema.json."""
    event, version = example.parent.parts[-2:]
    return f"{event}.v{version}.schema.json"


def _origin(event: str = "click") -> Origin:
    origin = OTHERS_ORIGINS.get(event, EXAMPLES_ORIGIN)
    assert origin is not None
    return origin


def _data_properties(event: str) -> Schema:
    properties: Schema = read_json(EVENT_SCHEMAS / f"{event}.v1.schema.json")["properties"]["data"]["properties"]
    return properties


def _differing(good: Any, bad: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths at which two events differ."""
    if isinstance(good, dict) and isinstance(bad, dict):
        names = {*good, *bad}
        return set().union(*(_differing(good.get(name, ...), bad.get(name, ...), (*path, name)) for name in names))
    return set() if (type(good), good) == (type(bad), bad) else {path}


def _properties(schema: Any) -> Iterator[tuple[str, Schema]]:
    """Every property that a schema defines, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in schema.values():
            yield from _properties(part)


@pytest.mark.parametrize("path", [*SCHEMA_FILES, TOPIC_SCHEMA], ids=_name)
def test_a_schema_holds_only_keywords_of_its_dialect(path: Path) -> None:
    """A schema is a valid one, and no keyword in it is misspelled."""
    schema = read_json(path)
    assert schema["$schema"] == DIALECT
    STRICT_DIALECT.validate(schema)


@pytest.mark.parametrize("misspelled", [{"aditionalProperties": False}, {"properties": {"code": {"maxLenght": 64}}}])
def test_a_misspelled_keyword_is_refused_at_any_depth(misspelled: Schema) -> None:
    """The check above bites."""
    assert Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(misspelled)
    assert not STRICT_DIALECT.is_valid(misspelled)


@pytest.mark.parametrize("path", [*SCHEMA_FILES, TOPIC_SCHEMA], ids=_name)
def test_a_schema_describes_itself_and_its_fields(path: Path) -> None:
    """Whoever reads a schema learns what each field means."""
    schema = read_json(path)
    assert schema["title"]
    assert schema["description"]
    undescribed = [name for name, field in _properties(schema) if not field.get("description")]
    # The envelope describes these two; an event's own schema only says which type it is, and what its data holds.
    assert set(undescribed) <= ({"type", "data"} if path.name != ENVELOPE else set())


@given(origins(), instants(), st.data())
def test_what_is_written_is_valid(origin: Origin, captured_at: datetime, drawn: st.DataObject) -> None:
    """Every event that the code writes holds to its schema, to the field."""
    data = drawn.draw(stream_events(origin.stream))
    written = orjson.loads(encode(origin, captured_at, data))
    name = f"{type(data).__name__.lower()}.v1.schema.json"
    writer_schema(name).validate(written)


@pytest.mark.parametrize("data", [PLAIN_CLICK, PLAIN_CONVERSION, PLAIN_REVERSAL, PLAIN_ACTIVITY], ids=type)
def test_an_event_writes_every_field_of_its_schema(data: Click | Fact) -> None:
    """No field is described that nobody fills."""
    event = type(data).__name__.lower()
    written = orjson.loads(encode(_origin(event), data.occurred_at, data))
    assert set(written["data"]) == set(_data_properties(event))
    assert set(written) == set(read_json(EVENT_SCHEMAS / ENVELOPE)["properties"])


def test_the_schemas_draw_the_lines_where_the_code_does() -> None:
    """Patterns, lengths and closed sets are the code's own."""
    click, envelope = _data_properties("click"), read_json(EVENT_SCHEMAS / ENVELOPE)["properties"]
    header = read_json(EVENT_SCHEMAS / "click.v1.schema.json")["$defs"]["header"]
    assert click["occurred_at"]["pattern"] == envelope["time"]["pattern"] == f"^{INSTANT_PATTERN}$"
    assert click["code"]["pattern"] == f"^{CODE_PATTERN}$"
    assert click["advocate_id"]["pattern"] == f"^{ADVOCATE_ID_PATTERN}$"
    assert click["link_state"]["enum"] == list(LinkState)
    assert {name: field["maxLength"] for name, field in click.items() if "maxLength" in field} == {
        "method": METHOD_CHARS_MAX,
        "user_agent": USER_AGENT_CHARS_MAX,
        "referrer_origin": REFERRER_ORIGIN_CHARS_MAX,
        "language": LANGUAGE_CHARS_MAX,
        "visitor": VISITOR_CHARS_MAX,
    }
    assert tuple(click["signals"]["properties"]) == SIGNAL_HEADERS
    assert header["maxLength"] == SIGNAL_CHARS_MAX
    assert envelope["datacontenttype"]["const"] == DATA_CONTENT_TYPE


def test_the_schemas_of_facts_draw_the_lines_where_the_code_does() -> None:
    """Patterns, limits and closed sets are the code's own, alike in all three."""
    conversion, reversal, activity = map(_data_properties, ("conversion", "reversal", "activity"))
    for data in (conversion, reversal, activity):
        assert data["occurred_at"]["pattern"] == f"^{INSTANT_PATTERN}$"
        assert data["source"]["pattern"] == f"^{SOURCE_PATTERN}$"
        assert data["external_id"]["pattern"] == f"^{EXTERNAL_ID_PATTERN}$"
    assert conversion["kind"]["pattern"] == reversal["kind"]["pattern"] == f"^{KIND_PATTERN}$"
    assert reversal["reversal_id"]["pattern"] == f"^{EXTERNAL_ID_PATTERN}$"
    assert {activity[name]["pattern"] for name in ("channel", "content_id", "category")} == {f"^{EXTERNAL_ID_PATTERN}$"}
    assert activity["advocate_id"]["pattern"] == f"^{ADVOCATE_ID_PATTERN}$"
    assert activity["kind"]["enum"] == list(ActivityKind)
    assert conversion["via"]["enum"] == list(Via)
    assert conversion["currency"]["enum"] == [*CURRENCIES, None]
    assert conversion["customer"]["pattern"] == f"^{CUSTOMER_PATTERN}$"
    assert conversion["touches"]["maxItems"] == TOUCHES_MAX
    assert conversion["touches"]["items"]["properties"]["utc_day"]["pattern"] == f"^{DAY_PATTERN}$"
    assert conversion["value_minor"]["maximum"] == reversal["value_minor"]["maximum"] == VALUE_MINOR_MAX


@pytest.mark.parametrize("path", GOOD_EXAMPLES, ids=_name)
def test_a_good_example_is_valid_and_decodes(path: Path) -> None:
    """A good example is what a writer may write and a reader reads."""
    writer_schema(_schema_of(path)).validate(read_json(path))
    decode(path.read_bytes(), _origin(path.parts[-3]))


@pytest.mark.parametrize("path", BAD_EXAMPLES, ids=_name)
def test_a_bad_example_is_neither_valid_nor_decoded(path: Path) -> None:
    """A bad example is refused by writers and readers alike, even by schemas that are open to unknown fields."""
    assert not writer_schema(_schema_of(path)).is_valid(read_json(path))
    assert not reader_schema(_schema_of(path)).is_valid(read_json(path))
    with pytest.raises(UndecodableError):
        decode(path.read_bytes(), _origin(path.parts[-3]))


@pytest.mark.parametrize("path", BAD_EXAMPLES, ids=_name)
def test_a_bad_example_breaks_one_thing(path: Path) -> None:
    """A bad example differs from a good one in one field: the one that its name tells."""
    bad = read_json(path)
    goods = [read_json(good) for good in sorted(path.parent.glob("good*.json"))]
    [(*_, field)] = min((_differing(good, bad) for good in goods), key=len)
    assert field.replace("_", "-") in path.stem


@pytest.mark.parametrize(
    ("example", "place"),
    [
        *(("click/1/good-live.json", place) for place in ((), ("data",), ("data", "signals"))),
        *(("conversion/1/good-sale.json", place) for place in ((), ("data",), ("data", "touches", 0))),
        *(("reversal/1/good-part.json", place) for place in ((), ("data",))),
        *(("activity/1/good-share.json", place) for place in ((), ("data",))),
    ],
)
def test_a_writer_adds_no_field(example: str, place: tuple[str | int, ...]) -> None:
    """Schemas are closed for writers, at every depth."""
    path = EXAMPLES / example
    event = inside = read_json(path)
    for part in place:
        inside = inside[part]
    inside["shoe_size"] = "43"
    assert not writer_schema(_schema_of(path)).is_valid(event)
    assert reader_schema(_schema_of(path)).is_valid(event)
    decode(orjson.dumps(event), _origin(path.parts[-3]))


@pytest.mark.parametrize("schema", [writer_schema, reader_schema])
@pytest.mark.parametrize("time", ["2022-02-30T00:00:00Z", "2022-02-28T00:00:00Z\n"])
def test_formats_and_patterns_are_checked(schema: Any, time: str) -> None:
    """The tests' validator leaves nothing out that JSON Schema leaves to its implementations."""
    validator: Validator = schema("heartbeat.v1.schema.json")
    event = read_json(EXAMPLES / "heartbeat" / "1" / "good.json")
    assert validator.is_valid(event)
    assert not validator.is_valid(event | {"time": time})


@pytest.mark.parametrize("path", TOPIC_FILES, ids=_name)
def test_a_topic_says_all_and_only_what_a_topic_has_to_say(path: Path) -> None:
    """Who writes, who reads, by which key, which events, and how it is created."""
    Draft202012Validator(read_json(TOPIC_SCHEMA)).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", TOPIC_FILES, ids=_name)
def test_a_topic_is_what_the_code_takes_it_for(path: Path) -> None:
    """A topic's file, name and partitions are its stream's; the dead letters' is the one that has none."""
    topic = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "stream" not in topic:
        assert topic["topic"] == DEAD_LETTER_TOPIC
        return
    stream = Stream(topic["stream"])
    assert path.stem == stream
    assert topic["topic"] == stream.topic
    assert topic["creation"]["partitions"] == PARTITIONS_DEFAULT
    for event in topic["events"]:
        schema = read_json(EVENT_SCHEMAS / event["schema"])
        assert schema["properties"]["type"]["const"] == event["type"]


def test_no_schema_is_dead() -> None:
    """Every event schema is carried by a topic; the envelope is referred to by all of them."""
    assert {path.name for path in SCHEMA_FILES} - {ENVELOPE} == _listed("schema")
    assert {read_json(EVENT_SCHEMAS / name)["$ref"] for name in _listed("schema")} == {ENVELOPE}


def test_no_event_type_is_without_a_schema() -> None:
    """Everything that travels is described."""
    assert _listed("type") == set(EventType)


def test_no_example_is_dead() -> None:
    """Every example is a topic's, good or bad by its name, and every event has both kinds. Golden vectors are none."""
    examples = {path for path in EXAMPLES.rglob("*") if path.is_file()} - GOLDEN_VECTORS
    assert {path.parent.relative_to(EXAMPLES).as_posix() for path in examples} == _listed("examples")
    assert examples == {*GOOD_EXAMPLES, *BAD_EXAMPLES}
    assert {path.parent for path in GOOD_EXAMPLES} == {path.parent for path in BAD_EXAMPLES}
