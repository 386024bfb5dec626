"""The key of customers' hashes as last heard of: from Postgres, from a file of ours after a start without it."""

import logging
import secrets
from datetime import timedelta
from typing import Any, Final

from database.customer_keys import CustomerKeyStore
from link_events.customers import CUSTOMER_KEY_BYTES, customer_hash
from link_events.identity import CustomerHash
from redirector.errors import KeyAwayError
from redirector.following import FOLLOW_INTERVAL, keep_following
from redirector.kept import KeptFile

KEPT_NAME: Final = "customer-key"

log = logging.getLogger(__name__)


class FollowedCustomerKey:
    """The key. Until it was ever heard of, no conversion that names a customer can be taken."""

    def __init__(self, store: CustomerKeyStore, kept: KeptFile) -> None:
        self._store = store
        self._kept = kept
        self._secret = kept.read(_read)

    @property
    def known(self) -> bool:
        """Whether it was ever heard of."""
        return self._secret is not None

    def hashed(self, customer_id: str) -> CustomerHash:
        """What stands for the customer.

        Raises:
            KeyAwayError: the key was never heard of.
        """
        if self._secret is None:
            raise KeyAwayError("the customer key")
        return customer_hash(customer_id, self._secret)

    async def follow(self, interval: timedelta = FOLLOW_INTERVAL) -> None:
        """Keep up with it, for ever. It never changes, but where a database is put in the place of another."""
        await keep_following("the customer key", self.look, interval)

    async def look(self) -> None:
        """Ask for it once. A database without one is given ours: it may be an older copy of the one that made it.

        Raises:
            DatabaseAwayError: Postgres cannot be asked now.
        """
        told = await self._store.key() or await self._store.first_key(self._secret or _new_secret())
        if self._secret not in (None, told):
            log.error("Postgres has another customer key than before: customers are other ones from now on")
        self._secret = told
        await self._kept.keep("the customer key", {"secret": told.hex()})


def _new_secret() -> bytes:
    return secrets.token_bytes(CUSTOMER_KEY_BYTES)


def _read(value: Any) -> bytes:
    secret = bytes.fromhex(value["secret"])
    if len(secret) != CUSTOMER_KEY_BYTES:
        raise ValueError("no customer key")
    return secret
