"""What a person gives as a reason is kept for ever and shown to others: it has to be a text, and a short one."""

import os

import click
import pytest

from aggregator.commands import WHY_CHARS_MAX, told_why


def test_a_reason_is_kept_as_it_was_said() -> None:
    """But for the space around it."""
    assert told_why(" its disk is gone; \u6f22\u5b57\n") == "its disk is gone; \u6f22\u5b57"
    assert told_why("x" * WHY_CHARS_MAX)


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("  \n", "say something"),
        ("x" * (WHY_CHARS_MAX + 1), "more than 1,000 characters"),
        (os.fsdecode(b"\xff gone"), "is not UTF-8"),
    ],
    ids=["nothing", "long", "latin-1"],
)
def test_what_is_none_is_refused(why: str, told: str) -> None:
    """Status 2: the command was used wrongly, and has done nothing."""
    with pytest.raises(click.UsageError, match=told) as refused:
        told_why(why)
    assert refused.value.exit_code == 2
