"""Which codes are links, in little memory: a code it does not know is surely none.

A Bloom filter (Bloom 1970): each code sets five bits, and whoever lacks one of them was never added. One that has all
of them is a link, or is taken for one by chance: Postgres says which. Links are never deleted, so nothing is taken out.
"""

from collections.abc import Iterable
from typing import Final

from link_events.identity import Code

BITS_PER_CODE: Final = 10
"""Of a full filter: it takes one unknown code in a hundred for a link. One that is half full, one in two thousand."""

BITS_SET: Final = 5

CAPACITY_MIN: Final = 65_536
"""80 kB: nothing is won by a smaller one."""

CAPACITY_MAX: Final = 64 * 2**20
"""80 MB; with more links than that it only guesses wrong more often."""

_HALF: Final = 0xFFFF_FFFF


class CodeFilter:
    """A set of codes that may hold some more than were added."""

    def __init__(self, capacity: int) -> None:
        self._size = capacity * BITS_PER_CODE
        self._bits = bytearray(self._size // 8 + 1)
        self._capacity = capacity
        self.count = 0
        """How many were added; a few less, for some look like others."""

    @property
    def size_bytes(self) -> int:
        """The memory it takes."""
        return len(self._bits)

    @property
    def full(self) -> bool:
        """Whether it is time for a larger one."""
        return CAPACITY_MAX > self._capacity <= self.count

    def add(self, code: Code) -> None:
        """Have `code` in it, for ever."""
        place, step = _start(code)
        bits, size = self._bits, self._size
        is_new = False
        for _ in range(BITS_SET):
            place = (place + step) % size
            bit = 1 << (place & 7)
            if not bits[place >> 3] & bit:
                bits[place >> 3] |= bit
                is_new = True
        self.count += is_new

    def __contains__(self, code: Code) -> bool:
        """Whether it was added; rarely also where it was not."""
        place, step = _start(code)
        bits, size = self._bits, self._size
        for _ in range(BITS_SET):
            place = (place + step) % size
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True


def _start(code: Code) -> tuple[int, int]:
    """Two numbers that all five places follow from (Kirsch and Mitzenmacher 2006).

    Python's hash of a string is SipHash under a key of this process: nobody outside knows what it takes for a link.
    """
    number = hash(code)
    return number & _HALF, number >> 32 & _HALF | 1


class KnownCodes:
    """The codes of all links: a filter, and beside it the one that is being filled to follow it.

    Whoever fills it reads the links that were there when it began; those that are made later come through `add`.
    """

    def __init__(self) -> None:
        self._filter: CodeFilter | None = None
        self._next: CodeFilter | None = None

    def surely_lack(self, code: Code) -> bool:
        """Whether `code` is surely no link that was made before the feed's last round. False until all are known."""
        return self._filter is not None and code not in self._filter

    @property
    def count(self) -> int:
        """How many are known; 0 until all are."""
        return self._filter.count if self._filter is not None else 0

    @property
    def size_bytes(self) -> int:
        """The memory they take."""
        return sum(one.size_bytes for one in (self._filter, self._next) if one is not None)

    @property
    def filling(self) -> bool:
        """Whether links that were there are still to be taken in."""
        return self._next is not None

    @property
    def full(self) -> bool:
        """Whether it is time to begin with more room."""
        return self._filter is not None and self._filter.full and not self.filling

    def distrust(self) -> None:
        """Know nothing any more: there may be links that nobody told of."""
        self._filter = None

    def begin(self, links: int) -> None:
        """Fill anew, with room for twice as many as `links`. What is known stays known meanwhile."""
        self._next = CodeFilter(min(max(CAPACITY_MIN, 2 * links), CAPACITY_MAX))

    def fill(self, codes: Iterable[Code]) -> None:
        """Take in some of the links that were there."""
        if self._next is not None:
            for code in codes:
                self._next.add(code)

    def filled(self) -> None:
        """All of them are taken in."""
        self._filter, self._next = self._next, None

    def add(self, code: Code) -> None:
        """Take in a link that was made or changed."""
        for one in (self._filter, self._next):
            if one is not None:
                one.add(code)
