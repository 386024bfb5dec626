"""Conversions, reversals and activities as the `data` of their events: what is written of them, and how it is read.

What is read is held to all that the schemas say, and beyond them to what they cannot: a conversion's touches stand in
the order of their origins, each once.
"""

import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any, Final

from link_events.currencies import CURRENCIES
from link_events.customers import CUSTOMER_HASH_BYTES
from link_events.events import TOUCHES_MAX, VALUE_MINOR_MAX, Activity, Conversion, NamedTouch, Reversal
from link_events.fields import read_flag, read_instant, read_text, read_text_or_none
from link_events.identity import (
    AdvocateId,
    ConversionKey,
    Currency,
    CustomerHash,
    ReversalId,
    is_advocate_id,
    is_external_id,
    is_source,
    parse_event_id,
)
from link_events.reasons import ActivityKind, Via
from link_events.streams import Stream

DAY_PATTERN: Final = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
CUSTOMER_PATTERN: Final = rf"[0-9a-f]{{{2 * CUSTOMER_HASH_BYTES}}}"

_DAY: Final = re.compile(DAY_PATTERN)
_CUSTOMER: Final = re.compile(CUSTOMER_PATTERN)


def conversion_fields(conversion: Conversion) -> dict[str, Any]:
    """What is written of a conversion."""
    key, customer = conversion.key, conversion.customer
    return {
        "occurred_at": conversion.occurred_at,
        "source": key.source,
        "kind": key.kind,
        "external_id": key.external_id,
        "touches": [{"event_id": touch.origin.event_id, "utc_day": touch.utc_day} for touch in conversion.touches],
        "customer": None if customer is None else customer.hex(),
        "value_minor": conversion.value_minor,
        "currency": conversion.currency,
        "via": conversion.via,
        "test": conversion.test,
    }


def reversal_fields(reversal: Reversal) -> dict[str, Any]:
    """What is written of a reversal."""
    key = reversal.key
    return {
        "occurred_at": reversal.occurred_at,
        "source": key.source,
        "kind": key.kind,
        "external_id": key.external_id,
        "reversal_id": reversal.reversal_id,
        "value_minor": reversal.value_minor,
    }


def activity_fields(activity: Activity) -> dict[str, Any]:
    """What is written of an activity."""
    return {
        "occurred_at": activity.occurred_at,
        "source": activity.source,
        "external_id": activity.external_id,
        "kind": activity.kind,
        "advocate_id": activity.advocate_id,
        "channel": activity.channel,
        "content_id": activity.content_id,
        "category": activity.category,
    }


def read_conversion(data: Mapping[str, Any]) -> Conversion:
    """The conversion in an event's `data`. Raises what `fields` does."""
    touches, customer = _touches(data), _customer(data)
    if not touches and customer is None:
        raise ValueError("neither touches nor a customer: nobody could ever be credited")
    value_minor, currency = _amount_or_none(data, least=0), _currency(data)
    if (value_minor is None) != (currency is None):
        raise ValueError("value_minor and currency belong together")
    return Conversion(
        occurred_at=read_instant(data, "occurred_at"),
        key=read_key(data),
        touches=touches,
        customer=customer,
        value_minor=value_minor,
        currency=currency,
        via=Via(read_text(data, "via")),
        test=read_flag(data, "test"),
    )


def read_reversal(data: Mapping[str, Any]) -> Reversal:
    """The reversal in an event's `data`. Raises what `fields` does."""
    return Reversal(
        occurred_at=read_instant(data, "occurred_at"),
        key=read_key(data),
        reversal_id=ReversalId(_external_id(data, "reversal_id")),
        value_minor=_amount_or_none(data, least=1),
    )


def read_activity(data: Mapping[str, Any]) -> Activity:
    """The activity in an event's `data`. Raises what `fields` does."""
    advocate_id = read_text(data, "advocate_id")
    if not is_advocate_id(advocate_id):
        raise ValueError(f"advocate_id {advocate_id!r} is none")
    return Activity(
        occurred_at=read_instant(data, "occurred_at"),
        source=_source(data, "source"),
        external_id=_external_id(data, "external_id"),
        kind=ActivityKind(read_text(data, "kind")),
        advocate_id=AdvocateId(advocate_id),
        channel=_external_id_or_none(data, "channel"),
        content_id=_external_id_or_none(data, "content_id"),
        category=_external_id_or_none(data, "category"),
    )


def read_key(data: Mapping[str, Any]) -> ConversionKey:
    """The key in the `data` of a conversion or a reversal. Raises what `fields` does."""
    return ConversionKey(_source(data, "source"), _source(data, "kind"), _external_id(data, "external_id"))


def _source(data: Mapping[str, Any], name: str) -> str:
    text = read_text(data, name)
    if not is_source(text):
        raise ValueError(f"{name} {text!r} is none")
    return text


def _external_id(data: Mapping[str, Any], name: str) -> str:
    text = read_text(data, name)
    if not is_external_id(text):
        raise ValueError(f"{name} {text!r} is none")
    return text


def _external_id_or_none(data: Mapping[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _external_id(data, name)


def _touches(data: Mapping[str, Any]) -> tuple[NamedTouch, ...]:
    named = data["touches"]
    if not isinstance(named, list):
        raise TypeError("touches is not a list")
    if len(named) > TOUCHES_MAX:
        raise ValueError(f"touches has more than {TOUCHES_MAX}")
    touches = tuple(map(_touch, named))
    if not all(one.origin.place < other.origin.place for one, other in pairwise(touches)):
        raise ValueError("touches do not stand in the order of their events, each once")
    return touches


def _touch(named: Any) -> NamedTouch:
    if not isinstance(named, dict):
        raise TypeError("a touch is not an object")
    event_id, day = read_text(named, "event_id"), read_text(named, "utc_day")
    origin = parse_event_id(event_id)
    if origin is None or origin.stream is not Stream.CLICKS:
        raise ValueError(f"a touch's event_id {event_id!r} is no click's")
    if not _DAY.fullmatch(day):
        raise ValueError(f"a touch's utc_day {day!r} is none")
    return NamedTouch(origin, date.fromisoformat(day))


def _customer(data: Mapping[str, Any]) -> CustomerHash | None:
    text = read_text_or_none(data, "customer")
    if text is None:
        return None
    if not _CUSTOMER.fullmatch(text):
        raise ValueError("customer is no hash")
    return CustomerHash(bytes.fromhex(text))


def _amount_or_none(data: Mapping[str, Any], *, least: int) -> int | None:
    amount = data.get("value_minor")
    if amount is None:
        return None
    if not isinstance(amount, int) or isinstance(amount, bool) or not least <= amount <= VALUE_MINOR_MAX:
        raise TypeError(f"value_minor is not a whole number from {least} to {VALUE_MINOR_MAX}")
    return amount


def _currency(data: Mapping[str, Any]) -> Currency | None:
    code = read_text_or_none(data, "currency")
    if code is None:
        return None
    if code not in CURRENCIES:
        raise ValueError(f"currency {code!r} is no code of ISO 4217")
    return Currency(code)
