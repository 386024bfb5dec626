"""Which codes are links is known in little memory, and no link is ever taken for none."""

from collections.abc import Iterable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import Code
from redirector.links import known_codes
from redirector.links.known_codes import BITS_PER_CODE, CAPACITY_MAX, CodeFilter, KnownCodes

PAGE: Final = 3

STEPS: Final = st.lists(st.sampled_from(["make", "make", "make", "follow", "read", "begin", "distrust"]), max_size=60)


def codes(numbers: Iterable[int]) -> list[Code]:
    return [Code(f"kB7x{number}") for number in numbers]


class Database:
    """Links in the order in which they were made, and how far they were followed and read."""

    def __init__(self) -> None:
        self.links: list[Code] = []
        self.followed = 0
        self.read = 0

    def make(self) -> None:
        """One more link."""
        self.links += codes([len(self.links)])

    def changed(self) -> Sequence[Code]:
        """What the feed brings."""
        changed = self.links[self.followed :]
        self.followed = len(self.links)
        return changed

    def page(self) -> Sequence[Code]:
        """The next of all that are there."""
        page = self.links[self.read : self.read + PAGE]
        self.read += len(page)
        return page


@given(STEPS)
def test_no_link_is_lacked_whatever_is_made_followed_and_read_in_which_order(steps: list[str]) -> None:
    """Neither while they are read, nor after, nor while they are read again: what the feed has brought is known."""
    database, known = Database(), KnownCodes()
    known.begin(0)
    for step in steps:
        match step:
            case "make":
                database.make()
            case "follow":
                for code in database.changed():
                    known.add(code)
            case "read" if known.filling:
                page = database.page()
                known.fill(page)
                if len(page) < PAGE:
                    known.filled()
            case "begin" | "distrust":
                if step == "distrust":
                    known.distrust()
                known.begin(0)
                database.read = 0
        assert not any(known.surely_lack(code) for code in database.links[: database.followed])


def test_nothing_is_surely_lacked_until_everything_is_known() -> None:
    """A code that nobody has may still be one that was not read yet."""
    known = KnownCodes()
    assert not known.surely_lack(Code("nobodys1"))
    known.begin(1)
    known.fill(codes([1]))
    assert not known.surely_lack(Code("nobodys1"))
    assert known.count == 0
    known.filled()
    assert known.surely_lack(Code("nobodys1"))
    assert not known.surely_lack(*codes([1]))
    assert known.count == 1
    known.distrust()
    assert not known.surely_lack(Code("nobodys1"))


def test_what_is_known_stays_known_while_more_room_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for room when it is full, and no more while it is being filled, nor with all it may have."""
    monkeypatch.setattr(known_codes, "CAPACITY_MIN", 10)
    monkeypatch.setattr(known_codes, "CAPACITY_MAX", 20)
    known = KnownCodes()
    known.begin(0)
    known.filled()
    wants_room = [asks_for_room_after(known, code) for code in codes(range(10))]
    assert wants_room == [False] * 9 + [True]
    known.begin(10)
    assert all(not known.surely_lack(code) for code in codes(range(10)))
    assert known.surely_lack(Code("nobodys1"))
    known.fill(codes(range(10)))
    known.filled()
    assert known.count == 10
    assert not any(asks_for_room_after(known, code) for code in codes(range(30)))


@pytest.mark.parametrize("links", [0, 100, 100_000])
def test_its_memory_is_two_and_a_half_bytes_a_link(links: int) -> None:
    """80 kB at least. Adding takes none, and whatever the database says of links it is bounded."""
    known = KnownCodes()
    known.begin(links)
    before = known.size_bytes
    assert before <= max(82_000, 2.5 * links + 1)
    known.fill(codes(range(min(links, 10_000))))
    known.filled()
    assert known.size_bytes == before


def test_its_memory_is_bounded_whatever_the_database_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link's number may be anything."""
    made: list[int] = []
    monkeypatch.setattr(known_codes, "CodeFilter", made.append)
    KnownCodes().begin(2**62)
    assert made == [CAPACITY_MAX]
    assert CAPACITY_MAX * BITS_PER_CODE // 8 < 85_000_000


@pytest.mark.parametrize(("share_filled", "wrong_max"), [(0.5, 0.001), (1.0, 0.012)])
def test_few_unknown_codes_are_taken_for_links(share_filled: float, wrong_max: float) -> None:
    """As the arithmetic of such filters says; how large they are changes nothing about it."""
    assert wrong_share(100_000, round(100_000 * share_filled), 50_000) < wrong_max


@pytest.mark.long
def test_five_million_links_take_12_mb_and_few_unknown_codes_are_taken_for_links() -> None:
    """What was added is there, every one."""
    one = CodeFilter(10_000_000)
    for code in codes(range(5_000_000)):
        one.add(code)
    assert one.size_bytes < 12_600_000
    assert all(code in one for code in codes(range(5_000_000)))
    assert 4_990_000 < one.count <= 5_000_000
    assert sum(code in one for code in codes(range(5_000_000, 5_400_000))) < 0.001 * 400_000


def asks_for_room_after(known: KnownCodes, code: Code) -> bool:
    known.add(code)
    return known.full


def wrong_share(capacity: int, added: int, asked: int) -> float:
    one = CodeFilter(capacity)
    for code in codes(range(added)):
        one.add(code)
    assert all(code in one for code in codes(range(added)))
    return sum(code in one for code in codes(range(added, added + asked))) / asked
