"""The event schemas as the tests use them: read from schemas/, checked strictly, formats and references included."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from stage.requirements import REPOSITORY

SCHEMAS: Final = REPOSITORY / "schemas"
EVENT_SCHEMAS: Final = SCHEMAS / "events"
EXAMPLES: Final = SCHEMAS / "examples"
TOPICS: Final = SCHEMAS / "topics"

Schema = dict[str, Any]


def read_json(path: Path) -> Any:
    """What the file at `path` says."""
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def writer_schema(name: str) -> Validator:
    """What a writer is held to by schemas/events/`name`: no field that the schema does not know."""
    return _validator(name, _registry({path.name: read_json(path) for path in EVENT_SCHEMAS.iterdir()}))


@cache
def reader_schema(name: str) -> Validator:
    """What a reader takes: the same, and fields that the schema does not know."""
    return _validator(name, _registry({path.name: _opened(read_json(path)) for path in EVENT_SCHEMAS.iterdir()}))


def _validator(name: str, registry: Registry[Any]) -> Validator:
    return _Strict({"$ref": _uri(name)}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _registry(schemas: Mapping[str, Schema]) -> Registry[Any]:
    # A schema that names its own dialect would be checked by the library's plain validator instead of ours.
    unnamed = {
        name: {key: part for key, part in schema.items() if key != "$schema"} for name, schema in schemas.items()
    }
    return Registry().with_resources(
        (_uri(name), DRAFT202012.create_resource(schema)) for name, schema in unnamed.items()
    )


def _uri(name: str) -> str:
    return (EVENT_SCHEMAS / name).as_uri()


def _opened(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_opened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = ("additionalProperties", "unevaluatedProperties")
    return {key: _opened(part) for key, part in schema.items() if not (key in closed and part is False)}


def _pattern(
    validator: Validator, pattern: str, instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    # JSON Schema's patterns are ECMA-262's: `$` is the very end there, while Python's also lets a newline follow.
    ecma = re.sub(r"\$$", r"\\Z", pattern)
    if isinstance(instance, str) and re.search(ecma, instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


# jsonschema leaves `extend` without annotations.
_Strict: Final[type[Validator]] = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
