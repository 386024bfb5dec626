"""How far a journal was shipped: one small file, replaced whole, written lazily.

Losing it costs nothing but time: what was acked is sent again and falls to the watermark.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from link_events.identity import Seq
from link_events.streams import Partition, Stream
from redirector.journal.segments import Slice

FILE_NAME: Final = "acks.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a journal: the byte of a segment where the next frame begins. Byte 0 stands for the first frame."""

    segment: int
    byte: int


@dataclass(frozen=True, slots=True)
class Acks:
    """Everything before `position` was taken by the event log; `seqs` are the highest acked of each slice."""

    position: Position
    seqs: Mapping[Slice, Seq] = field(default_factory=dict)


def save_acks(directory: Path, acks: Acks) -> None:
    """Replace the file."""
    seqs = [[stream, partition, seq] for (stream, partition), seq in acks.seqs.items()]
    body = {"segment": acks.position.segment, "byte": acks.position.byte, "seqs": seqs}
    beside = directory / f"{FILE_NAME}.new"
    beside.write_bytes(orjson.dumps(body))
    os.replace(beside, directory / FILE_NAME)  # noqa: PTH105 - the atomic step, spelled as what it is


def load_acks(directory: Path) -> Acks | None:
    """What the file says, or None where it is missing or makes no sense."""
    try:
        body = orjson.loads((directory / FILE_NAME).read_bytes())
        return _read(body)
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        log.warning("%s is damaged; everything that is kept is sent again", directory / FILE_NAME)
        return None


def _read(body: Any) -> Acks:
    seqs = {(Stream(stream), Partition(int(part))): Seq(int(seq)) for stream, part, seq in body["seqs"]}
    return Acks(Position(int(body["segment"]), int(body["byte"])), seqs)
