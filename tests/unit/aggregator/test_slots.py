"""The first click that counts holds its slot, in whatever order the clicks are looked at."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aggregator.judge import Judgement, Place, Repeats, contends, judge_slot, repeated
from link_events.identity import JournalId, Seq
from link_events.reasons import Reason, Verdict
from link_events.streams import Offset, Partition

COUNTED = Judgement(Verdict.COUNTED, (), "test")
REPEAT = repeated(COUNTED)
BOT = Judgement(Verdict.NOT_COUNTED, (Reason.METHOD_HEAD,), "test")
REVIEW = Judgement(Verdict.REVIEW, ("flood",), "test")


def _place(offset: int, journal: bytes = b"journal1") -> Place:
    return Place(Partition(0), Offset(offset), JournalId(journal), Seq(1))


@given(st.lists(st.sampled_from([COUNTED, REPEAT, BOT, REVIEW]), max_size=6), st.randoms(), st.sampled_from(Repeats))
def test_the_first_that_counts_holds_the_slot(judgements: list[Judgement], random: Random, repeats: Repeats) -> None:
    """Whatever each was called before; what does not count for another reason is left alone."""
    clicks = [(_place(offset), judgement) for offset, judgement in enumerate(judgements)]
    shuffled = random.sample(clicks, len(clicks))
    holder, judged = judge_slot(dict(shuffled), repeats)
    contenders = [place for place, judgement in clicks if contends(judgement)]
    assert holder == (contenders[0] if contenders else None)
    others = COUNTED if repeats is Repeats.NONE else REPEAT
    for place, judgement in clicks:
        expected = (COUNTED if place == holder else others) if contends(judgement) else judgement
        assert judged[place] == expected
    assert judge_slot(judged, repeats) == (holder, judged)


def test_at_the_same_offset_the_name_decides() -> None:
    """As after a topic was made anew: the same click, whoever asks."""
    clicks = {_place(7, b"journal2"): COUNTED, _place(7): COUNTED}
    assert judge_slot(clicks, Repeats.DAY)[0] == _place(7)


def test_a_holder_that_nobody_sees_any_more_keeps_its_slot() -> None:
    """Its raw click was let go, and is counted for ever."""
    gone = _place(9)
    assert judge_slot({_place(3): COUNTED}, Repeats.DAY, gone) == (gone, {_place(3): REPEAT})
