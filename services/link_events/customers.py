"""Customers as events know them: a keyed hash, from which nobody without the key finds the id."""

from hashlib import blake2b
from typing import Final

from link_events.identity import CustomerHash

CUSTOMER_HASH_BYTES: Final = 16
"""Two of a billion customers hash alike with a chance of one in 10^21."""

CUSTOMER_ID_CHARS_MAX: Final = 200
"""As long as other systems' ids may be."""

CUSTOMER_KEY_BYTES: Final = 32


def customer_hash(customer_id: str, secret: bytes) -> CustomerHash:
    """What stands for the customer, the same for ever: `secret` never rotates. The exact text counts."""
    return CustomerHash(blake2b(customer_id.encode(), digest_size=CUSTOMER_HASH_BYTES, key=secret).digest())
