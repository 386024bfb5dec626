"""The click ids that conversions name, checked by the signing keys as last heard of, or as they are."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from database.pool import DatabaseAwayError
from link_events.click_ids import ClickIdOutcome, NamedClick, verify_click_id
from link_events.events import NamedTouch
from link_events.signing import SigningSecrets
from redirector.errors import BadClickIdError, KeyAwayError
from redirector.signing.following import FollowedKeys

LOOKS_APART: Final = timedelta(seconds=1)
"""Between the beginnings of two looks at least: ids of keys that somebody makes up cost one query a second."""

LOOK_TIMEOUT: Final = timedelta(seconds=2)
"""A Postgres that takes longer is treated as away."""


class ClickIdCheck:
    """Says which clicks ids name."""

    def __init__(self, keys: FollowedKeys, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._monotonic_s = monotonic_s
        self._looking = asyncio.Lock()
        self._looked_at_s = -LOOKS_APART.total_seconds()
        self._got_through = False

    def now_s(self) -> float:
        """This moment, for `named`."""
        return self._monotonic_s()

    async def named(self, texts: Sequence[str], asked_at_s: float | None = None) -> tuple[NamedTouch, ...]:
        """The clicks that `texts` name, in the order of their origins, each once.

        An id of a key that we have not heard of may be one of a rotation that others have: the keys are looked at,
        unless they were since `asked_at_s`. Who has ids of many rows to ask about names one moment for all of them.

        Raises:
            BadClickIdError: one of them is no id that is valid.
            KeyAwayError: that cannot be told now.
        """
        if not texts:
            return ()
        try:
            return read_click_ids(texts, self._secrets())
        except BadClickIdError as error:
            if error.outcome is not ClickIdOutcome.UNKNOWN_KEY:
                raise
        await self._look(self.now_s() if asked_at_s is None else asked_at_s)
        return read_click_ids(texts, self._secrets())

    async def valid_among(self, texts: Sequence[str]) -> tuple[NamedTouch, ...]:
        """The same of those of `texts` that are valid; the others name nothing.

        Raises:
            KeyAwayError: none is valid that can be told now, and one of them might be.
        """
        verified = [verify_click_id(text, self._secrets()) for text in texts]
        if any(one.outcome is ClickIdOutcome.UNKNOWN_KEY for one in verified):
            try:
                await self._look(self.now_s())
            except KeyAwayError:
                if not any(one.click for one in verified):
                    raise
            verified = [verify_click_id(text, self._secrets()) for text in texts]
        return _in_order([one.click for one in verified if one.click is not None])

    def _secrets(self) -> SigningSecrets:
        if self._keys.ring is None:
            raise KeyAwayError("the signing key")
        return self._keys.ring.secrets

    async def _look(self, asked_at_s: float) -> None:
        """Wait for a look that begins from `asked_at_s` on, with all others who want one.

        Raises:
            KeyAwayError: Postgres could not be asked.
        """
        async with self._looking:
            if self._looked_at_s < asked_at_s:
                await self._look_now()
        if not self._got_through:
            raise KeyAwayError("the signing key")

    async def _look_now(self) -> None:
        next_at_s = self._looked_at_s + LOOKS_APART.total_seconds()
        await asyncio.sleep(max(0.0, next_at_s - self._monotonic_s()))
        self._looked_at_s, self._got_through = self._monotonic_s(), False
        try:
            async with asyncio.timeout(LOOK_TIMEOUT.total_seconds()):
                await self._keys.look()
        except (DatabaseAwayError, TimeoutError):
            return
        self._got_through = True


def read_click_ids(texts: Sequence[str], secrets: SigningSecrets) -> tuple[NamedTouch, ...]:
    """The clicks that `texts` name by the keys in `secrets`, in the order of their origins, each once. Pure.

    Raises:
        BadClickIdError: one of them is no valid id; the first such.
    """
    clicks = []
    for index, text in enumerate(texts):
        verified = verify_click_id(text, secrets)
        if verified.click is None:
            raise BadClickIdError(index, verified.outcome)
        clicks.append(verified.click)
    return _in_order(clicks)


def _in_order(clicks: Iterable[NamedClick]) -> tuple[NamedTouch, ...]:
    named = {click.origin.place: NamedTouch(click.origin, click.utc_day) for click in clicks}
    return tuple(named[place] for place in sorted(named))
