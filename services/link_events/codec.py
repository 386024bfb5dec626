"""Events to bytes and back: CloudEvents 1.0 in structured JSON.

The bytes written here go unchanged through journal and event log. Schemas are closed for writers and open for
readers: `decode` takes what schemas/events/*.schema.json promise and ignores fields it does not know.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from link_events.events import Click, Event, EventData, EventType, Heartbeat, Sealed, type_of_data
from link_events.identity import AdvocateId, Code, LinkId, Origin, is_advocate_id
from link_events.reasons import DeadLetterReason, LinkState

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"


class UndecodableError(Exception):
    """A record that can never be applied as it is."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def encode(origin: Origin, captured_at: datetime, data: EventData) -> bytes:
    """The bytes of one event. `captured_at` is aware UTC."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": origin.event_id,
            "source": f"/redirector/{origin.journal.hex()}",
            "type": type_of_data[type(data)],
            "time": captured_at,
            "datacontenttype": "application/json",
            "data": _click_fields(data) if isinstance(data, Click) else {},
        },
        option=orjson.OPT_UTC_Z,
    )


def decode(value: bytes, origin: Origin) -> Event:
    """The event in `value`, which travelled as `origin`.

    Raises:
        UndecodableError: it is no event, of no known type, breaks its schema, or names another origin.
    """
    try:
        envelope = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableError(DeadLetterReason.NOT_JSON, str(error)) from error
    if not isinstance(envelope, dict) or envelope.get("specversion") != "1.0":
        raise UndecodableError(DeadLetterReason.NOT_AN_EVENT, "not a CloudEvent 1.0")
    if envelope.get("id") != origin.event_id:
        raise UndecodableError(DeadLetterReason.ID_MISMATCH, f"travelled as {origin.event_id}")
    read = _READERS.get(str(envelope.get("type")))
    if read is None:
        raise UndecodableError(DeadLetterReason.UNKNOWN_TYPE, f"type {envelope.get('type')!r}")
    try:
        return Event(origin, _instant(envelope, "time"), read(_mapping(envelope, "data")))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UndecodableError(DeadLetterReason.BREAKS_SCHEMA, detail) from error


def _click_fields(click: Click) -> dict[str, Any]:
    return {
        "occurred_at": click.occurred_at,
        "link_id": click.link_id,
        "code": click.code,
        "advocate_id": click.advocate_id,
        "link_state": click.link_state,
        "method": click.method,
        "user_agent": click.user_agent,
        "user_agent_cut": click.user_agent_cut,
        "referrer_origin": click.referrer_origin,
        "language": click.language,
        "signals": click.signals,
        "country": click.country,
        "networks": click.networks,
        "network_key": click.network_key,
        "visitor": click.visitor,
        "self": click.self_click,
        "test": click.test,
    }


def _read_click(data: Mapping[str, Any]) -> Click:
    advocate_id = _text(data, "advocate_id")
    if not is_advocate_id(advocate_id):
        raise ValueError(f"advocate_id {advocate_id!r} is none")
    return Click(
        occurred_at=_instant(data, "occurred_at"),
        link_id=LinkId(_whole(data, "link_id")),
        code=Code(_text(data, "code")),
        advocate_id=AdvocateId(advocate_id),
        link_state=LinkState(_text(data, "link_state")),
        method=_text(data, "method"),
        user_agent=_text_or_none(data, "user_agent"),
        user_agent_cut=_flag(data, "user_agent_cut"),
        referrer_origin=_text_or_none(data, "referrer_origin"),
        language=_text_or_none(data, "language"),
        signals=_texts_by_name(data, "signals"),
        country=_text_or_none(data, "country"),
        networks=tuple(_words(data, "networks")),
        network_key=_text_or_none(data, "network_key"),
        visitor=_text_or_none(data, "visitor"),
        self_click=_flag(data, "self"),
        test=_flag(data, "test"),
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], EventData]]] = {
    EventType.CLICK: _read_click,
    EventType.HEARTBEAT: lambda _: Heartbeat(),
    EventType.SEALED: lambda _: Sealed(),
}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a text")
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL, which Postgres cannot store")
    return value


def _text_or_none(data: Mapping[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _text(data, name)


def _whole(data: Mapping[str, Any], name: str) -> int:
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise TypeError(f"{name} is not a positive 64-bit whole number")
    return value


def _flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"{name} is not true or false")
    return value


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    return value


def _texts_by_name(data: Mapping[str, Any], name: str) -> dict[str, str]:
    texts = _mapping(data, name)
    if any("\0" in key for key in texts):
        raise ValueError(f"{name} holds a NUL, which Postgres cannot store")
    return {key: _text(texts, key) for key in texts}


def _words(data: Mapping[str, Any], name: str) -> list[str]:
    values = data[name]
    if not isinstance(values, list) or not all(isinstance(word, str) and "\0" not in word for word in values):
        raise TypeError(f"{name} is not a list of texts")
    return values


def _instant(data: Mapping[str, Any], name: str) -> datetime:
    instant = datetime.fromisoformat(_text(data, name))
    if instant.tzinfo is None:
        raise ValueError(f"{name} has no zone")
    return instant.astimezone(UTC)
