"""Who asks: bearer keys and their scopes.

A verified key is remembered for a moment, and for longer while Postgres is away: an outage locks nobody out, and a
revoked key works for at most REMEMBERED more. What is remembered is the token's hash, never the token.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from database.keys import KeyStore, LiveKey, Scope
from database.pool import DatabaseAwayError
from http_api.problems import ProblemError, ProblemKind, away

REMEMBERED: Final = timedelta(seconds=10)
"""How long a verified key is taken on trust before Postgres is asked again."""

REMEMBERED_WHILE_AWAY: Final = timedelta(hours=24)
"""How long it is taken on trust while Postgres cannot be asked."""

KEYS_REMEMBERED_MAX: Final = 1_000
"""Only keys that were once verified are remembered; an installation has dozens."""


BEARER: Final = HTTPBearer(
    scheme_name="api_key", description="An API key; each operation names the scope it needs.", auto_error=False
)
"""How a key is sent, for the OpenAPI document alone; `Access` reads the header itself."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    key: LiveKey
    verified_at_s: float


class Access:
    """Verifies the key of a request."""

    def __init__(self, keys: KeyStore, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._monotonic_s = monotonic_s
        self._remembered: dict[bytes, _Remembered] = {}

    def needs(self, scope: Scope) -> Callable[..., Awaitable[LiveKey]]:
        """A FastAPI dependency: the request's key, which may do what `scope` names."""

        async def key_with_scope(
            request: Request, _documented: Annotated[object, Security(BEARER, scopes=[scope])]
        ) -> LiveKey:
            key = await self.key_of(request.headers.get("authorization", ""))
            if not key.allows(scope):
                raise ProblemError(HTTPStatus.FORBIDDEN, ProblemKind.MISSING_SCOPE, f"the key lacks the scope {scope}")
            return key

        return key_with_scope

    async def key_of(self, authorization: str) -> LiveKey:
        """The live key in an Authorization header.

        Raises:
            ProblemError: 401 for a missing, malformed, unknown or revoked key; 503 where that cannot be told now.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _unauthorized("send the API key as `Authorization: Bearer …`")
        digest = hashlib.sha256(token.strip().encode()).digest()
        remembered = self._remembered.get(digest)
        if remembered and self._age(remembered) < REMEMBERED:
            return remembered.key
        try:
            key = await self._keys.verify(token.strip())
        except DatabaseAwayError as error:
            if remembered and self._age(remembered) < REMEMBERED_WHILE_AWAY:
                return remembered.key
            raise away("the database") from error
        if key is None:
            self._remembered.pop(digest, None)
            raise _unauthorized("the API key is not known, or was revoked")
        self._remember(digest, key)
        return key

    def _remember(self, digest: bytes, key: LiveKey) -> None:
        self._remembered.pop(digest, None)  # in the order in which they were verified: the first is the one to forget
        if len(self._remembered) >= KEYS_REMEMBERED_MAX:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[digest] = _Remembered(key, self._monotonic_s())

    def _age(self, remembered: _Remembered) -> timedelta:
        return timedelta(seconds=self._monotonic_s() - remembered.verified_at_s)


def _unauthorized(detail: str) -> ProblemError:
    headers = {"WWW-Authenticate": 'Bearer realm="advolink"'}
    return ProblemError(HTTPStatus.UNAUTHORIZED, ProblemKind.BAD_KEY, detail, headers=headers)
