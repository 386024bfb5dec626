"""Which event holds a key is told by places alone, in whatever order and groups the events come."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aggregator.conversions.settling import ReceivedConversion, ReceivedReversal, first_told, holders
from link_events.identity import ConversionKey, JournalId, Origin, ReversalId, Seq
from link_events.reasons import Via
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CONVERSION, PLAIN_REVERSAL

KEYS = [ConversionKey("shop", "sale", name) for name in ("A", "B")]
Told = list[tuple[int, Via]]
"""In the order of the log: which key, and who tells."""


def told() -> st.SearchStrategy[Told]:
    return st.lists(st.tuples(st.integers(0, 1), st.sampled_from(Via)), min_size=1, max_size=12)


def received(told: Told) -> list[ReceivedConversion]:
    seqs = [count(1), count(1)]
    return [
        ReceivedConversion(
            Origin(JournalId(bytes([offset % 2]) * 8), Stream.CONVERSIONS, Partition(0), Seq(next(seqs[offset % 2]))),
            PLAIN_CONVERSION.occurred_at,
            PLAIN_CONVERSION.occurred_at,
            Offset(offset),
            replace(PLAIN_CONVERSION, key=KEYS[number], via=via),
            date(2022, 2, 15),
        )
        for offset, (number, via) in enumerate(told)
    ]


@given(told())
def test_the_first_that_a_server_sent_holds_the_key_else_the_first_that_a_browser_sent(story: Told) -> None:
    events = received(story)
    for key, holder in holders(events).items():
        of_key = [one for one in events if one.conversion.key == key]
        of_servers = [one for one in of_key if one.conversion.via is Via.API]
        assert holder == (of_servers or of_key)[0]


@given(told(), st.randoms(use_true_random=False), st.integers(0, 12))
def test_neither_order_nor_groups_matter(story: Told, random: Random, cut: int) -> None:
    """Of what comes in two groups the first of the firsts holds the key: so a batch may ask what is stored."""
    events = received(story)
    shuffled = random.sample(events, len(events))
    assert holders(shuffled) == holders(events)
    of_groups = [*holders(shuffled[:cut]).values(), *holders(shuffled[cut:]).values()]
    assert holders(of_groups) == holders(events)
    assert list(holders(shuffled)) == sorted(holders(events))


def test_in_a_topic_made_anew_the_name_decides_between_equal_offsets() -> None:
    one, other = received([(0, Via.API), (0, Via.API)])
    other = replace(other, offset=one.offset)
    assert holders([other, one]) == holders([one, other]) == {KEYS[0]: one}


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_of_reversals_with_one_name_the_first_in_the_log_stands(names: Sequence[int], random: Random) -> None:
    events = [
        ReceivedReversal(
            Origin(JournalId(bytes(8)), Stream.CONVERSIONS, Partition(0), Seq(offset + 1)),
            PLAIN_REVERSAL.occurred_at,
            Offset(offset),
            replace(PLAIN_REVERSAL, reversal_id=ReversalId(f"R-{name}"), value_minor=offset + 1),
        )
        for offset, name in enumerate(names)
    ]
    first = first_told(random.sample(events, len(events)))
    assert {name: one.offset for (_, name), one in first.items()} == {
        f"R-{name}": names.index(name) for name in set(names)
    }
