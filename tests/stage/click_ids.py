"""Click ids: in the addresses that redirects lead to, as a destination finds them, and under any key."""

import re
from datetime import UTC, datetime
from typing import Final

from link_events.click_ids import ClickIdIssuer, utc_day_of
from link_events.identity import JournalId, Seq
from link_events.signing import SigningKeyId
from link_events.streams import Partition

JOURNAL: Final = JournalId(bytes.fromhex("00c0ffee00c0ffee"))

_PARAMETER: Final = re.compile(r"[?&]advolink_click_id=([A-Za-z0-9_-]{40})(?=#|$)")


def split_location(location: str) -> tuple[str, str]:
    """Where `location` leads, and the click id in it, which it must have."""
    found = _PARAMETER.search(location)
    assert found is not None, f"{location} has no click id"
    return location[: found.start()] + location[found.end() :], found[1]


def issued_under(key_id: int, secret: bytes, seq: int = 1) -> str:
    """The id of a click of today, under that key."""
    issuer = ClickIdIssuer(SigningKeyId(key_id), secret, JOURNAL, 1)
    return issuer.issue(Partition(0), Seq(seq), utc_day_of(datetime.now(UTC)))
