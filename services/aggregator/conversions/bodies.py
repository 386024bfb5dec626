"""Whether two reports of one conversion say the same. Pure."""

from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from link_events.events import Conversion
from link_events.facts import conversion_fields
from link_events.reasons import ConversionState, Via

_SAID: Final = ("occurred_at", "touches", "customer", "value_minor", "currency", "test")
"""What is said of a key; the rest is the key, and who says it."""


class Body(NamedTuple):
    """What a report says, as far as it is compared. `digest` is None once the customer was erased."""

    via: Via
    digest: bytes | None


def body_digest(conversion: Conversion) -> bytes:
    """SHA-256 of what the report says, as JSON with sorted names."""
    fields = conversion_fields(conversion)
    said = {name: fields[name] for name in _SAID}
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)).digest()


def state_beside(holder: Body, other: Body) -> ConversionState:
    """What a report is whose key another holds: `duplicate` or `conflict`.

    What a browser says of a sale and what the server says never agree to the letter: no conflict. Nor is what is said
    beside an erased holder, for a copy that comes later cannot be told from another report. But where the other alone
    was erased its customer was not the holder's, since erasing takes all of a customer's reports: that was a conflict,
    and stays one.
    """
    comparable = holder.via is other.via is Via.API and holder.digest is not None
    return ConversionState.CONFLICT if comparable and holder.digest != other.digest else ConversionState.DUPLICATE
