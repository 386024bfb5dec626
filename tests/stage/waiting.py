"""Waiting on a condition with a deadline, and for as long as a fault is to last: the only place where tests sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

SECONDS_MAX: Final = 30.0
"""Long enough for a busy machine that runs several tests at once; one that fails waits this long once."""

POLL_SECONDS: Final = 0.02

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, seconds_max: float = SECONDS_MAX, what: str = "") -> T:
    """The first true value of `condition`.

    Raises:
        AssertionError: there was none within `seconds_max`; the message says `what` was waited for.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_late(what or str(condition), seconds_max, value))
        time.sleep(POLL_SECONDS)


async def eventually_async(
    condition: Callable[[], Awaitable[T]], *, seconds_max: float = SECONDS_MAX, what: str = ""
) -> T:
    """The first true value that `condition` comes to.

    Raises:
        AssertionError: there was none within `seconds_max`.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_late(what or str(condition), seconds_max, value))
        await asyncio.sleep(POLL_SECONDS)


async def elapse(seconds: float) -> None:
    """Let time pass, where how long something lasts is itself what is tested."""
    await asyncio.sleep(seconds)


def _late(what: str, seconds_max: float, value: object) -> str:
    return f"not within {seconds_max:.0f} s: {what} (last seen: {value!r})"
