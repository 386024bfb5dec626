"""What travels beside a value in Kafka: its origin, and CloudEvents' content type. Pure."""

import struct
from collections.abc import Sequence
from typing import Final

from link_events.codec import CONTENT_TYPE
from link_events.identity import JOURNAL_ID_BYTES, SEQ_MAX, JournalId, Seq

ORIGIN_HEADER: Final = "advolink-origin"
"""Journal (8 bytes) and seq (8 bytes, big-endian); topic and partition say the rest."""

_ORIGIN: Final = struct.Struct(f">{JOURNAL_ID_BYTES}sQ")
_CONTENT_TYPE: Final = ("content-type", CONTENT_TYPE.encode())

Headers = Sequence[tuple[str, bytes | None]]


def written_headers(journal: JournalId, seq: Seq) -> list[tuple[str, bytes]]:
    """The headers of a record."""
    return [(ORIGIN_HEADER, _ORIGIN.pack(journal, seq)), _CONTENT_TYPE]


def read_origin(headers: Headers) -> tuple[JournalId, Seq] | None:
    """The journal and the seq that `headers` name; None where they name none, or two.

    Seq 0 and one beyond SEQ_MAX are given to no event.
    """
    if len(headers) == 2 and headers[0][0] == ORIGIN_HEADER != headers[1][0]:  # noqa: PLR2004 - as we write them
        packed = headers[0][1]
    else:
        origins = [value for name, value in headers if name == ORIGIN_HEADER]
        packed = origins[0] if len(origins) == 1 else None
    if packed is None or len(packed) != _ORIGIN.size:
        return None
    journal, seq = _ORIGIN.unpack(packed)
    return (JournalId(journal), Seq(seq)) if 0 < seq <= SEQ_MAX else None
