"""Texts that callers write, as types of fields, and what is told of those that are wrong: in words, for a person."""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import (
    BeforeValidator,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from link_events.identity import (
    ADVOCATE_ID_PATTERN,
    CODE_PATTERN,
    EXTERNAL_ID_PATTERN,
    KIND_PATTERN,
    SOURCE_PATTERN,
)

NO_CONTROL_CHARACTERS: Final = "Text should have no control characters"

_OBJECT: Final = "Input should be a JSON object, sent as application/json"
_PLAINLY: Final = {
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "extra_forbidden": "There is no such field",
    "timezone_aware": "Input should have an offset, as 2026-11-26T12:00:00Z",
}


_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written_as_date(value: object) -> object:
    if not isinstance(value, date) and not (isinstance(value, str) and _DATE.fullmatch(value)):
        raise ValueError("a date looks like 2022-02-14")
    return value


WRITTEN_AS_DATE: Final = BeforeValidator(_written_as_date)
"""Let nothing pass but a date: pydantic would also take an instant, or seconds since 1970."""


def plainly(kind: str, message: str) -> str:
    """What Pydantic says of a mistake of this kind, to somebody who knows JSON and not Python."""
    return _PLAINLY.get(kind, message.removeprefix("Value error, "))


def in_words(allowed: str) -> WrapValidator:
    """Have a field say `allowed` where its text does not match its pattern."""

    def read(given: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(given)
        except ValidationError as error:
            if error.errors()[0]["type"] != "string_pattern_mismatch":
                raise
            raise PydanticCustomError("text_not_allowed", "{allowed}", {"allowed": allowed}) from error

    return WrapValidator(read)


_NAME: Final = in_words("Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")

AdvocateIdText = Annotated[str, StringConstraints(pattern=f"^{ADVOCATE_ID_PATTERN}$"), _NAME]
SourceText = Annotated[str, StringConstraints(pattern=f"^{SOURCE_PATTERN}$"), _NAME]
KindText = Annotated[str, StringConstraints(pattern=f"^{KIND_PATTERN}$"), _NAME]
ExternalIdText = Annotated[
    str,
    StringConstraints(pattern=f"^{EXTERNAL_ID_PATTERN}$"),
    in_words("Text should be 1 to 200 characters, and no control characters"),
]
CodeText = Annotated[
    str,
    StringConstraints(pattern=f"^{CODE_PATTERN}$"),
    in_words("Text should be 1 to 64 of A-Z, a-z, 0-9, '_' and '-'"),
]
