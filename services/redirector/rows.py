"""Rows of a body, each read by itself: one that is wrong, however wrong it is, never takes others down with it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from http_api.texts import plainly

FIELDS_MAX: Final = 100
"""Ten times what any row has. Each field that is not known is named, and a mebibyte has room for a hundred thousand."""

TRow = TypeVar("TRow", bound=BaseModel)


class Fault(NamedTuple):
    """What is wrong with a row: where (`time`, `click_ids/0`; empty: the row as a whole), and what."""

    field: str
    detail: str


class WrongRowError(Exception):
    """A row is none of those that are asked for."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def read_row(row: object, model: type[TRow]) -> TRow:
    """What `row`, parsed JSON, says.

    Raises:
        WrongRowError: it is no such row; every fault is named, but of one that is far too wide.
    """
    if isinstance(row, Mapping) and len(row) > FIELDS_MAX:
        raise WrongRowError([Fault("", f"has more than {FIELDS_MAX} fields")])
    try:
        return model.model_validate(row)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        raise WrongRowError(
            [Fault("/".join(map(str, one["loc"])), plainly(one["type"], one["msg"])) for one in mistakes]
        ) from error
