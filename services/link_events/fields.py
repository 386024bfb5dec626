"""Fields of an event's data, each read by its type.

What is not of its type is refused by a KeyError, TypeError or ValueError that says what is wrong. Readers are open: a
field that nobody asks for is nobody's concern.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from link_events.instants import matches_instant


def read_text(data: Mapping[str, Any], name: str, *, chars_max: int | None = None) -> str:
    """A text of at most `chars_max` characters."""
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a text")
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL, which Postgres cannot store")
    if chars_max is not None and len(value) > chars_max:
        raise ValueError(f"{name} has more than {chars_max} characters")
    return value


def read_text_or_none(data: Mapping[str, Any], name: str, *, chars_max: int | None = None) -> str | None:
    """The same, or None where it is null or absent."""
    return None if data.get(name) is None else read_text(data, name, chars_max=chars_max)


def read_whole(data: Mapping[str, Any], name: str) -> int:
    """A positive whole number of 64 bits."""
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise TypeError(f"{name} is not a positive 64-bit whole number")
    return value


def read_flag(data: Mapping[str, Any], name: str) -> bool:
    """True or false; false where it is absent."""
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"{name} is not true or false")
    return value


def read_mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object."""
    value = data[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    return value


def read_texts_by_name(data: Mapping[str, Any], name: str, *, chars_max: int) -> dict[str, str]:
    """An object of texts, whatever their names."""
    texts = read_mapping(data, name)
    if any("\0" in key for key in texts):
        raise ValueError(f"{name} holds a NUL, which Postgres cannot store")
    return {key: read_text(texts, key, chars_max=chars_max) for key in texts}


def read_words(data: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts."""
    values = data[name]
    if not isinstance(values, list) or not all(isinstance(word, str) and "\0" not in word for word in values):
        raise TypeError(f"{name} is not a list of texts")
    return values


def read_instant(data: Mapping[str, Any], name: str) -> datetime:
    """An instant in UTC, in the one form that is written."""
    text = read_text(data, name)
    if matches_instant(text) is None:
        raise ValueError(f"{name} {text!r} is no instant in UTC")
    return datetime.fromisoformat(text)
