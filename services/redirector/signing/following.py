"""The signing keys as last heard of: from Postgres every few seconds, from a file of ours after a start without it."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Final

from database.signing_keys import SigningKeyStore
from link_events.signing import SECRET_BYTES, SIGNING_KEY_IDS, Keyring, SigningKeyId
from redirector.following import FOLLOW_INTERVAL, keep_following
from redirector.kept import KeptFile

KEPT_NAME: Final = "signing-keys"

log = logging.getLogger(__name__)


class FollowedKeys:
    """The keys. Until any was ever heard of there are none: redirects go on, and nothing can be signed or verified."""

    def __init__(self, store: SigningKeyStore, kept: KeptFile) -> None:
        self._store = store
        self._kept = kept
        self.ring = kept.read(read_keyring)
        self._looking = asyncio.Lock()

    async def follow(self, interval: timedelta = FOLLOW_INTERVAL) -> None:
        """Keep up with them, for ever."""
        await keep_following("the signing keys", self.look, interval)

    async def look(self) -> None:
        """Ask for them once; of looks that overlap, the later one holds.

        Raises:
            DatabaseAwayError: Postgres cannot be asked now.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        told = await self._store.keyring() or await self._store.first_keyring()
        if told != self.ring:
            self.ring = told
            log.info("signing with key %s", told.current)
        await self._kept.keep("the signing keys", _written(told))


def _written(ring: Keyring) -> dict[str, Any]:
    secrets = {str(key_id): secret and secret.hex() for key_id, secret in ring.secrets.items()}
    return {"current": ring.current, "secrets": secrets}


def read_keyring(value: Any) -> Keyring:
    """The keyring that was kept as `value`.

    Raises:
        KeyError, TypeError, ValueError: none was.
    """
    secrets = {
        SigningKeyId(int(key_id)): secret and bytes.fromhex(secret) for key_id, secret in value["secrets"].items()
    }
    current = SigningKeyId(value["current"])
    ring = Keyring(current, secrets)
    lengths = {len(secret) for secret in (ring.secret, *secrets.values()) if secret is not None}
    if lengths != {SECRET_BYTES} or not secrets.keys() <= set(range(SIGNING_KEY_IDS)):
        raise ValueError("no keyring")
    return ring
