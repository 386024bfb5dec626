"""Signing keys in Postgres: what an installation signs click ids with. Reads and writes signing_key.

The newest signs. The older ones verify until they are retired; a retired one's secret is erased, and its row stays to
say so. Ids go round: after the 256th key the next takes over the id of the oldest, which has to be retired by then.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import Pool, connected
from database.queries import load_queries
from link_events.signing import SECRET_BYTES, Keyring, SigningKeyId

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class SigningKeyState(StrEnum):
    """What a key is good for."""

    SIGNS = "signs"
    VERIFIES = "verifies"
    RETIRED = "retired"


class SigningKeyRefusedError(Exception):
    """What was asked for cannot be done to the keys as they are; the message says why."""


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key as it is listed: without its secret. `generation` counts the keys that were made, from 0."""

    key_id: SigningKeyId
    generation: int
    state: SigningKeyState
    made_at: datetime
    retired_at: datetime | None


class SigningKeyStore:
    """Every call may raise DatabaseAwayError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keyring(self) -> Keyring | None:
        """Every key there is; None before the first."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["secrets"])
        return _keyring(rows) if rows else None

    async def first_keyring(self) -> Keyring:
        """The same, with a first key that is made here unless somebody else was faster."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["make_first"], _new_secret())
            return _keyring(await connection.fetch(_SQL["secrets"]))

    async def all_keys(self) -> Sequence[SigningKeyRow]:
        """Every key, the newest first."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["list_keys"])
        return [SigningKeyRow(state=_state(row["retired_at"], newest=row is rows[0]), **dict(row)) for row in rows]

    async def rotate(self) -> SigningKeyRow:
        """Make a key that signs from now on.

        Raises:
            SigningKeyRefusedError: its id is that of a key that still verifies.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await connection.execute(_SQL["hold"])
            row = await connection.fetchrow(_SQL["add_key"], _new_secret())
            if row is None:
                oldest = (await connection.fetch(_SQL["secrets"]))[0]["key_id"]
                raise SigningKeyRefusedError(f"all 256 key ids are used; retire the oldest key, {oldest}, first")
        return SigningKeyRow(state=SigningKeyState.SIGNS, **dict(row))

    async def retire(self, key_id: SigningKeyId) -> None:
        """End a key. Ending it twice changes nothing.

        Raises:
            SigningKeyRefusedError: there is none of that id, or it is the one that signs.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await connection.execute(_SQL["hold"])
            ids = [row["key_id"] for row in await connection.fetch(_SQL["secrets"])]
            if key_id not in ids:
                raise SigningKeyRefusedError(f"there is no signing key {key_id}")
            if key_id == ids[-1]:
                raise SigningKeyRefusedError(f"key {key_id} is the one that signs; rotate first")
            await connection.execute(_SQL["retire_key"], key_id)


def _keyring(rows: Sequence[asyncpg.Record]) -> Keyring:
    return Keyring(SigningKeyId(rows[-1]["key_id"]), {SigningKeyId(key_id): secret for key_id, secret in rows})


def _new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def _state(retired_at: datetime | None, *, newest: bool) -> SigningKeyState:
    if retired_at is not None:
        return SigningKeyState.RETIRED
    return SigningKeyState.SIGNS if newest else SigningKeyState.VERIFIES
