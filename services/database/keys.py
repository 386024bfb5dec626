"""API keys: `adv_<key id>_<secret>`, shown once, stored as SHA-256 of the secret.

The secret has 256 random bits, so a plain hash is enough: there is nothing to guess. Reads and writes api_key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import connected, connected_once
from database.queries import load_queries

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_KEY_ID: Final = re.compile(r"[0-9a-f]{12}")
_TOKEN: Final = re.compile(rf"adv_({_KEY_ID.pattern})_([A-Za-z0-9_-]{{43}})")
_SECRET_BYTES: Final = 32
_KEY_ID_BYTES: Final = 6


class Scope(StrEnum):
    """What a key may do. `admin` may do everything."""

    LINKS_WRITE = "links:write"
    CONVERSIONS_WRITE = "conversions:write"
    STATS_READ = "stats:read"
    CONTESTS_WRITE = "contests:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key as it was verified: who asks, and what they may do."""

    key_id: str
    scopes: frozenset[str]

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what `scope` names."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is listed."""

    key_id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None


class KeyStore:
    """Keys in Postgres. Every call may raise DatabaseAwayError."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def verify(self, token: str) -> LiveKey | None:
        """The live key that `token` is, or None."""
        key_id, digest = split_token(token)
        if key_id is None:
            return None
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(_SQL["live_key"], key_id)
        return _matching_key(key_id, digest, row)

    async def create(self, name: str, scopes: Sequence[Scope]) -> str:
        """A new key's token. It is never shown again."""
        async with connected(self._pool) as connection:
            return await _insert_key(connection, name, scopes)

    async def all_keys(self) -> Sequence[KeyRow]:
        """Every key, the newest first."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["list_keys"])
        return [KeyRow(**dict(row)) for row in rows]

    async def revoke(self, key_id: str) -> bool:
        """End a key; False where there is none of that id. Ending it twice changes nothing."""
        if _KEY_ID.fullmatch(key_id) is None:
            return False
        async with connected(self._pool) as connection:
            return await connection.fetchval(_SQL["revoke_key"], key_id) is not None


async def create_key(dsn: str, *, name: str, scopes: Sequence[Scope]) -> str:
    """A new key's token, for commands that hold no pool."""
    async with connected_once(dsn) as connection:
        return await _insert_key(connection, name, scopes)


async def is_live(dsn: str, token: str) -> bool:
    """Whether the database at `dsn` knows `token` as a live key."""
    key_id, digest = split_token(token)
    async with connected_once(dsn) as connection:
        row = await connection.fetchrow(_SQL["live_key"], key_id)
    return key_id is not None and _matching_key(key_id, digest, row) is not None


def split_token(token: str) -> tuple[str | None, bytes]:
    """The key id in `token` and the SHA-256 of its secret; no id where `token` has not the shape of a key."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None, b""
    return found[1], hashlib.sha256(found[2].encode()).digest()


def _matching_key(key_id: str, digest: bytes, row: asyncpg.Record | None) -> LiveKey | None:
    if row is None or not hmac.compare_digest(row["secret_sha256"], digest):
        return None
    return LiveKey(key_id, frozenset(row["scopes"]))


async def _insert_key(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, name: str, scopes: Sequence[Scope]
) -> str:
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    digest = hashlib.sha256(secret.encode()).digest()
    await connection.execute(_SQL["insert_key"], key_id, name, digest, list(scopes))
    return f"adv_{key_id}_{secret}"
