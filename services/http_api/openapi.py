"""What a service's OpenAPI document says beyond what FastAPI finds out: problems, and who may ask.

docs/api.md says the same in words; schemas/openapi/ holds the documents as they are released, `make docs` writes them.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI

from http_api.problems import PROBLEM_JSON, RETRY_AFTER_S, ProblemKind

Schema = dict[str, Any]
"""A part of an OpenAPI document."""

Responses = dict[int | str, Schema]
"""What a route takes as `responses`."""

_PROBLEM: Final[Schema] = {
    "title": "Problem",
    "description": "An error (RFC 9457). docs/api.md lists the types.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [kind.type for kind in ProblemKind]},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, for a person."},
        "why": {"type": "string", "description": "Of a click or a conversion that is not there: a word that says why."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
    },
}
_FIELD_ERROR: Final[Schema] = {
    "title": "FieldError",
    "type": "object",
    "required": ["field", "detail"],
    "properties": {
        "field": {"type": "string", "description": "Like `destination`, `tags/0`, `query/from` or `path/code`."},
        "detail": {"type": "string"},
    },
}

PAGE: Final[Schema] = {"content": {"text/html": {"schema": {"type": "string"}}}}
"""An answer that people read."""

RETRY_AFTER: Final[Schema] = {
    "Retry-After": {"description": f"Seconds to wait: {RETRY_AFTER_S}.", "schema": {"type": "integer"}}
}
"""The header of a 503."""

LIMITED: Final[Schema] = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "RateLimit-Policy": {"description": "How many are allowed, in how many seconds.", "schema": {"type": "string"}},
    "RateLimit": {"description": "How many are left, and when there is more.", "schema": {"type": "string"}},
}
"""The headers of a 429 (draft-ietf-httpapi-ratelimit-headers)."""

NEXT_PAGE: Final[Responses] = {
    200: {"headers": {"Link": {"description": 'The next page, `rel="next"`.', "schema": {"type": "string"}}}}
}
"""For the `responses` of a route that answers in pages."""


def problem(*kinds: ProblemKind, when: str) -> Schema:
    """A problem, for the `responses` of a route: which ones, and `when` they are answered."""
    types = " or ".join(f"`{kind.type}`" for kind in kinds)
    return {
        "description": f"{when} ({types})",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_SHARED: Final = {
    "BadBody": problem(ProblemKind.NOT_JSON, ProblemKind.BAD_REQUEST, when="The body is no JSON, or no text at all."),
    "BadKey": problem(ProblemKind.BAD_KEY, when="No API key, or one that is unknown or revoked."),
    "MissingScope": problem(ProblemKind.MISSING_SCOPE, when="The key lacks the scope."),
    "BodyTooLarge": problem(ProblemKind.BODY_TOO_LARGE, when="The body is larger than 1 MiB."),
    "Invalid": problem(ProblemKind.INVALID_FIELD, when="A field or parameter is missing or wrong; `errors` names it."),
    "Unavailable": problem(ProblemKind.UNAVAILABLE, when="Postgres is away.") | {"headers": RETRY_AFTER},
}
"""What many operations answer, by name."""

_FASTAPIS_OWN: Final = ("HTTPValidationError", "ValidationError")


class DescribedApi(FastAPI):
    """A public port's app, with an OpenAPI document that tells of our errors instead of FastAPI's."""

    def __init__(self, title: str, description: str) -> None:
        super().__init__(
            title=title,
            version=version("advolink"),
            description=description,
            docs_url="/v1/docs",
            redoc_url=None,
            openapi_url="/v1/openapi.json",
            swagger_ui_oauth2_redirect_url=None,
            redirect_slashes=False,
        )

    def openapi(self) -> Schema:
        """The document that /v1/openapi.json serves."""
        known = self.openapi_schema
        document = super().openapi()
        if document is not known:
            _complete(document)
        return document


def _complete(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas.update(FieldError=_FIELD_ERROR, Problem=_PROBLEM)
    document["components"]["responses"] = _SHARED
    for operation in _operations(document):
        responses = operation["responses"]
        if _is_fastapis(responses.get("422", {})):
            del responses["422"]
        # What needs a key is the API; what needs none are links, which people follow.
        if "security" in operation:
            _add_problems(operation, responses)
        operation["responses"] = dict(sorted(responses.items()))


def _operations(document: Schema) -> Iterator[Schema]:
    for path in document["paths"].values():
        yield from path.values()


def _is_fastapis(response: Schema) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith(_FASTAPIS_OWN)


def _add_problems(operation: Schema, responses: Schema) -> None:
    problems = {"401": "BadKey", "403": "MissingScope", "503": "Unavailable"}
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        problems |= {"400": "BadBody", "413": "BodyTooLarge"}
    if "parameters" in operation or "requestBody" in operation:
        problems["422"] = "Invalid"
    for status, name in problems.items():
        responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
