"""Signing keys: what an installation signs with, and a key of its own for each thing it signs. Pure.

A signing key's secret signs nothing itself. Each purpose has a key derived from it, so that what was signed for one is
never taken for another, and whoever is given one purpose's key cannot sign for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NewType

SigningKeyId = NewType("SigningKeyId", int)

SIGNING_KEY_IDS: Final = 256
"""A signing key's id is one byte of a click id."""

SECRET_BYTES: Final = 32
"""As many as a derived key and a MAC have before it is cut: no part is weaker than another."""

SigningSecrets = Mapping[SigningKeyId, bytes | None]
"""The secret of each key that was ever made; None where it was retired, and with it its secret."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Every key of an installation, and which of them signs."""

    current: SigningKeyId
    secrets: SigningSecrets = field(repr=False)

    @property
    def secret(self) -> bytes:
        """The secret that signs. The newest key cannot be retired, so there always is one."""
        secret = self.secrets[self.current]
        if secret is None:
            raise ValueError(f"signing key {self.current} is retired and cannot sign")
        return secret


class Purpose(StrEnum):
    """What keys are derived for. The text is what is hashed: it never changes."""

    CLICK_ID = "advolink click id v1"
    SELF_LINK = "advolink self link v1"
    SELF_COOKIE = "advolink self cookie v1"


def derived_key(secret: bytes, purpose: Purpose) -> bytes:
    """The key under which `purpose` is signed: BLAKE2b with 32 bytes of digest, keyed with `secret`, of its text."""
    return blake2b(purpose.encode(), key=secret, digest_size=SECRET_BYTES).digest()


def mac_of(signed: bytes, secret: bytes, purpose: Purpose, mac_bytes: int) -> bytes:
    """What proves `signed`: the beginning of BLAKE2b with 32 bytes of digest, under the key for `purpose`."""
    return blake2b(signed, key=derived_key(secret, purpose), digest_size=SECRET_BYTES).digest()[:mac_bytes]
