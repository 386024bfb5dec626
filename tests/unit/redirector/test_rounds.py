"""Rounds: whoever asks is told of one that began after they asked, and askers cost no more than a few a second."""

import asyncio
from datetime import timedelta

import pytest

from redirector.links.rounds import PAUSE, TOLD_AT_ONCE, Rounds
from stage.waiting import elapse

LONG = timedelta(hours=1)


async def test_whoever_asks_during_a_round_is_told_of_the_next() -> None:
    """That round may have looked before they asked."""
    rounds = Rounds(LONG)
    early = rounds.ask()
    rounds.begin()
    late = rounds.ask()
    rounds.end(got_through=True)
    assert early.result() is True
    assert not late.done()
    rounds.begin()
    rounds.end(got_through=False)
    assert late.result() is False


async def test_many_who_ask_are_told_a_few_in_each_turn_of_the_loop() -> None:
    """What each does then takes its time, and others are to be served in between; in the order in which they asked."""
    rounds = Rounds(LONG)
    asked = [rounds.ask() for _ in range(2 * TOLD_AT_ONCE + 1)]
    rounds.begin()
    rounds.end(got_through=True)
    told = []
    while not asked[-1].done():
        told.append([answer.done() for answer in asked].index(False))
        await elapse(0)
    assert told == [TOLD_AT_ONCE, 2 * TOLD_AT_ONCE]


async def test_a_round_that_nobody_waits_for_tells_nobody() -> None:
    """Nor does one whose askers have given up."""
    rounds = Rounds(LONG)
    rounds.begin()
    rounds.end(got_through=False)
    rounds.ask().cancel()
    rounds.begin()
    rounds.end(got_through=False)


async def test_rest_ends_when_somebody_asks_and_not_before_the_pause_is_over() -> None:
    """One who asks after a long rest does not wait at all; one who asks at once waits for the pause."""
    rounds = Rounds(LONG)
    rounds.begin()
    resting = asyncio.create_task(rounds.rest())
    rounds.ask()
    began_s = asyncio.get_running_loop().time()
    await resting
    assert asyncio.get_running_loop().time() - began_s > 0.9 * PAUSE.total_seconds()
    await rounds.rest()
    assert asyncio.get_running_loop().time() - began_s < 10 * PAUSE.total_seconds()


async def test_rest_ends_by_itself() -> None:
    """After the interval, where nobody asks."""
    rounds = Rounds(timedelta(milliseconds=1))
    rounds.begin()
    await asyncio.wait_for(rounds.rest(), 5)


@pytest.mark.parametrize("asked", [True, False])
async def test_a_rest_that_is_cancelled_ends(asked: bool) -> None:  # noqa: FBT001
    """A stop is held up by nobody."""
    rounds = Rounds(LONG)
    if asked:
        rounds.ask()
    resting = asyncio.create_task(rounds.rest())
    await elapse(0)
    resting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resting
