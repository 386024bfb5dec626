"""What one aggregator takes and gives back, so that all that are alive have as many partitions each. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from link_events.streams import Partition, Stream

Slice = tuple[Stream, Partition]

in_order: Final = itemgetter(1, 0)
"""By partition first: else the first aggregator of three would have all of one stream, and one of them every click."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Who is alive, and who holds which partition; None where nobody does who is alive. `epochs`: each one's epoch."""

    alive: Collection[str]
    holders: Mapping[Slice, str | None]
    epochs: Mapping[Slice, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What to take and what to give back. One of both is empty."""

    take: tuple[Slice, ...] = ()
    give_back: tuple[Slice, ...] = ()


def fair_share(owner: str, picture: Picture) -> int:
    """How many partitions are `owner`'s: as many as everybody's; where they do not divide, one more for the first."""
    alive = sorted(picture.alive)
    if owner not in alive:
        return 0
    each, left_over = divmod(len(picture.holders), len(alive))
    return each + (alive.index(owner) < left_over)


def change_for(owner: str, picture: Picture) -> Change:
    """What brings `owner` to its fair share: free partitions, never one that another holds."""
    share = fair_share(owner, picture)
    held = sorted((slice_ for slice_, holder in picture.holders.items() if holder == owner), key=in_order)
    if len(held) > share:
        return Change(give_back=tuple(held[share:]))
    free = sorted((slice_ for slice_, holder in picture.holders.items() if holder is None), key=in_order)
    return Change(take=tuple(free[: share - len(held)]))
