"""Proofs: the bearer is this advocate, until then. Signed; the token of a self link and the value of the cookie. Pure.

    key id 1 | expires 4 | advocate id 1 to 64 | MAC 16

Bytes in URL-safe base64 without padding. `expires` is a big-endian number of seconds since 1970, the id is ASCII, and
the MAC is the beginning of BLAKE2b with 32 bytes of digest, under a key that is derived for one of the two purposes: a
token is no cookie, and neither is a click id.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from link_events.identity import AdvocateId
from link_events.signing import Keyring, Purpose, SigningKeyId, mac_of

MAC_BYTES: Final = 16
_ID_AT: Final = 5
_PROOF: Final = re.compile(r"[A-Za-z0-9_-]{30,114}")
"""22 to 85 bytes."""


class ProofOutcome(StrEnum):
    """What a text is found to be that ought to be a proof."""

    VALID = "valid"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What became of verifying one. Only a valid one names an advocate."""

    outcome: ProofOutcome
    advocate_id: AdvocateId | None = None


def sign_proof(ring: Keyring, purpose: Purpose, advocate_id: AdvocateId, expires_at: datetime) -> str:
    """A proof for `purpose` that the bearer is `advocate_id`, under the key that signs; whole seconds count."""
    signed = bytes([ring.current]) + int(expires_at.timestamp()).to_bytes(4, "big") + advocate_id.encode()
    return urlsafe_b64encode(signed + mac_of(signed, ring.secret, purpose, MAC_BYTES)).rstrip(b"=").decode()


def verify_proof(text: str, ring: Keyring, purpose: Purpose, now: datetime) -> VerifiedProof:
    """What `text` is found to be at `now`. A retired key is as unknown as one that never was."""
    if _PROOF.fullmatch(text) is None or len(text) % 4 == 1:
        return VerifiedProof(ProofOutcome.MALFORMED)
    value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    signed, mac = value[:-MAC_BYTES], value[-MAC_BYTES:]
    secret = ring.secrets.get(SigningKeyId(value[0]))
    if secret is None:
        return VerifiedProof(ProofOutcome.UNKNOWN_KEY)
    if not hmac.compare_digest(mac_of(signed, secret, purpose, MAC_BYTES), mac):
        return VerifiedProof(ProofOutcome.FORGED)
    if now >= datetime.fromtimestamp(int.from_bytes(signed[1:_ID_AT], "big"), UTC):
        return VerifiedProof(ProofOutcome.EXPIRED)
    advocate_id = signed[_ID_AT:].decode("ascii")
    return VerifiedProof(ProofOutcome.VALID, AdvocateId(advocate_id))
