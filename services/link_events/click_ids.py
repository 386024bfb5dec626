"""Click ids: forty characters that name one click and prove that we issued them. Pure; docs/click-ids.md is the format.

    key id 1 | journal 8 | partition 1 | seq 6 | UTC day 2 | MAC 12

Thirty bytes, numbers big-endian, in URL-safe base64 (RFC 4648 §5) without padding: none is needed. Whoever has the keys
verifies one without a database, and finds the click by its primary key. Nothing in it is about a person.
"""

import hmac
import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from link_events.identity import JournalId, Origin, Seq
from link_events.signing import SECRET_BYTES, Purpose, SigningKeyId, SigningSecrets, derived_key, mac_of
from link_events.streams import Partition, Stream

CLICK_ID_CHARS: Final = 40

CLICK_ID_NAME: Final = "advolink_click_id"
"""Under which parameter a destination finds it, unless the programme says otherwise."""

CLICK_ID_NAME_PATTERN: Final = r"[A-Za-z0-9._~-]{1,64}"
"""A parameter's name that is written alike in every encoding (RFC 3986's unreserved characters)."""

MAC_BYTES: Final = 12
"""The beginning of a digest of 32. A guess is right once in 2^96: what is named is a click, not a treasure."""

_SIGNED_BYTES: Final = 18
_CLICK_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{{CLICK_ID_CHARS}}}")
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_EPOCH: Final = date(1970, 1, 1).toordinal()


class ClickIdOutcome(StrEnum):
    """What a text is found to be that ought to be a click id."""

    VALID = "valid"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    RETIRED_KEY = "retired_key"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class NamedClick:
    """The click that an id names. With the UTC day it occurred on, that is the primary key of its row."""

    key_id: SigningKeyId
    origin: Origin
    utc_day: date


@dataclass(frozen=True, slots=True)
class VerifiedClickId:
    """What became of verifying an id. Only a valid one names a click: what another one says is anybody's word."""

    outcome: ClickIdOutcome
    click: NamedClick | None = None


class ClickIdIssuer:
    """Issues the ids of one journal's clicks under one key."""

    def __init__(self, key_id: SigningKeyId, secret: bytes, journal: JournalId, partitions: int) -> None:
        key = derived_key(secret, Purpose.CLICK_ID)
        starts = [bytes([key_id]) + journal + bytes([partition]) for partition in range(partitions)]
        # Hashed as far as it is known beforehand: an id costs the copy and the rest, a microsecond.
        self._begun = [(start, blake2b(start, key=key, digest_size=SECRET_BYTES)) for start in starts]

    def issue(self, partition: Partition, seq: Seq, utc_day: int) -> str:
        """The id of a click that occurred on `utc_day`, counted as `utc_day_of` counts."""
        start, begun = self._begun[partition]
        rest = (seq << 16 | utc_day).to_bytes(8, "big")
        signing = begun.copy()
        signing.update(rest)
        text = b2a_base64(start + rest + signing.digest()[:MAC_BYTES], newline=False)
        return text.translate(_URL_SAFE).decode()  # as urlsafe_b64encode does, in two thirds of its time


def utc_day_of(instant: datetime) -> int:
    """The UTC day of `instant`, aware: days since 1970-01-01. Two bytes hold them until the year 2149."""
    return instant.astimezone(UTC).toordinal() - _EPOCH


def verify_click_id(text: str, secrets: SigningSecrets) -> VerifiedClickId:
    """What `text` is found to be, by the keys in `secrets`."""
    if _CLICK_ID.fullmatch(text) is None:
        return VerifiedClickId(ClickIdOutcome.MALFORMED)
    value = urlsafe_b64decode(text)
    key_id = SigningKeyId(value[0])
    if key_id not in secrets:
        return VerifiedClickId(ClickIdOutcome.UNKNOWN_KEY)
    secret = secrets[key_id]
    if secret is None:
        return VerifiedClickId(ClickIdOutcome.RETIRED_KEY)
    signed, mac = value[:_SIGNED_BYTES], value[_SIGNED_BYTES:]
    if not hmac.compare_digest(mac_of(signed, secret, Purpose.CLICK_ID, MAC_BYTES), mac):
        return VerifiedClickId(ClickIdOutcome.FORGED)
    return VerifiedClickId(ClickIdOutcome.VALID, _named(key_id, signed))


def _named(key_id: SigningKeyId, signed: bytes) -> NamedClick:
    """What `signed` says, behind the key id."""
    journal, partition, seq, utc_day = signed[1:9], signed[9], signed[10:16], signed[16:]
    origin = Origin(JournalId(journal), Stream.CLICKS, Partition(partition), Seq(int.from_bytes(seq, "big")))
    return NamedClick(key_id, origin, date.fromordinal(_EPOCH + int.from_bytes(utc_day, "big")))
