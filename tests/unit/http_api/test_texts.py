"""A text that is not allowed is refused in words: no caller has to read a regular expression."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from http_api.texts import AdvocateIdText, CodeText, ExternalIdText, KindText, SourceText

NAME = "Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
CODE = "Text should be 1 to 64 of A-Z, a-z, 0-9, '_' and '-'"
EXTERNAL_ID = "Text should be 1 to 200 characters, and no control characters"


@pytest.mark.parametrize(
    ("text_type", "allowed", "good", "bad"),
    [
        (AdvocateIdText, NAME, "ada.b_9-", ["", "a@b", "x" * 65, "ada\n"]),
        (SourceText, NAME, "x" * 64, ["", "a/b", "ä"]),
        (KindText, NAME, "sale", ["", " sale"]),
        (CodeText, CODE, "x_-9", ["", "a.b", "x" * 65]),
        (ExternalIdText, EXTERNAL_ID, "ä /" * 66, ["", "\x00", "A\n", "x" * 201]),
    ],
)
def test_what_is_allowed_is_said(text_type: Any, allowed: str, good: str, bad: list[str]) -> None:
    adapter = TypeAdapter(text_type)
    assert adapter.validate_python(good) == good
    for text in bad:
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python(text)
        assert [error["msg"] for error in refused.value.errors()] == [allowed]


@pytest.mark.parametrize("text_type", [AdvocateIdText, SourceText, KindText, CodeText, ExternalIdText])
def test_what_is_no_text_is_told_so_and_programs_still_learn_the_pattern(text_type: Any) -> None:
    adapter = TypeAdapter(text_type)
    with pytest.raises(ValidationError, match="valid string"):
        adapter.validate_python(7)
    assert {"type", "pattern"} <= adapter.json_schema().keys()
