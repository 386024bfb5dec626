"""Of a visitor's clicks on a link and day one asks for the slot; where it gets none, nothing of that is left."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.applying.click_rows import click_row, judged_anew
from aggregator.applying.fold import ClickCounts, JudgedClick, fold
from aggregator.applying.gathering import Gathered, KnownVisitor
from aggregator.judge import Judgement, Place, Repeats, Slot, repeated
from link_events.events import Click
from link_events.identity import AdvocateId, JournalId, LinkId, Origin, Seq
from link_events.reasons import Reason, Verdict
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK, clicks

DAY = date(2022, 2, 14)
NOW = datetime(2022, 2, 14, tzinfo=UTC)
JOURNAL = JournalId(b"journal1")
COUNTED = Judgement(Verdict.COUNTED, (), "test")
BOT = Judgement(Verdict.NOT_COUNTED, (Reason.METHOD_HEAD,), "test")
EARLIER = Place(Partition(0), Offset(0), JOURNAL, Seq(1))


def _click(
    number: int, visitor: str | None = "v", *, link: int = 1, day: date = DAY, judgement: Judgement = COUNTED
) -> JudgedClick:
    click = replace(PLAIN_CLICK, advocate_id=AdvocateId("ada"), link_id=LinkId(link), visitor=visitor)
    origin = Origin(JOURNAL, Stream.CLICKS, Partition(0), Seq(number))
    return JudgedClick(origin, NOW, Offset(number), NOW, click, day, judgement)


def _gathered(*judged: JudgedClick, repeats: Repeats = Repeats.DAY, known: Sequence[KnownVisitor] = ()) -> Gathered:
    gathered = Gathered(repeats)
    gathered.take(judged[:1])
    gathered.take(judged[1:])
    gathered.settle(known)
    gathered.folded.add_quarters()
    return gathered


def _slot(link: int = 1, visitor: str = "v") -> Slot:
    return Slot(DAY, AdvocateId("ada"), visitor, LinkId(link))


def _of_day(gathered: Gathered) -> ClickCounts:
    return gathered.folded.advocate_day[AdvocateId("ada"), DAY]


def test_the_second_click_of_a_visitor_on_a_link_is_a_repeat() -> None:
    """It is raw, does not count, and says why."""
    gathered = _gathered(_click(5), _click(6))
    assert _of_day(gathered) == ClickCounts(raw=2, counted=1, not_counted=1, visitors=1)
    assert gathered.rows == [click_row(_click(5)), click_row(_click(6, judgement=repeated(COUNTED)))]
    assert gathered.judged == {(Verdict.COUNTED, ()): 1, (Verdict.NOT_COUNTED, (Reason.REPEAT,)): 1}
    assert list(gathered.contenders) == [_slot()]


@pytest.mark.parametrize(
    ("other", "visitors"),
    [
        (_click(6, "w"), 2),
        (_click(6, link=2), 1),
        (_click(6, None), 1),
        (_click(6, judgement=BOT), 1),
    ],
    ids=["another visitor", "another link", "no visitor's key", "a bot"],
)
def test_other_clicks_are_no_repeats(other: JudgedClick, visitors: int) -> None:
    """Each keeps the judgement it came with; an advocate has a visitor once, however many links they click on."""
    gathered = _gathered(_click(5), other)
    assert gathered.rows == [click_row(_click(5)), click_row(other)]
    assert _of_day(gathered).visitors == visitors


def test_the_same_visitor_on_another_day_is_no_repeat() -> None:
    """A quarter has visitor days."""
    gathered = _gathered(_click(5), _click(6, day=date(2022, 2, 15)))
    quarter = gathered.folded.advocate_quarter[AdvocateId("ada"), date(2022, 1, 1)]
    assert quarter == ClickCounts(raw=2, counted=2, visitors=2)


@pytest.mark.parametrize("judgement", [BOT, replace(COUNTED, verdict=Verdict.REVIEW)])
def test_what_does_not_count_takes_no_slot(judgement: Judgement) -> None:
    """The person who comes after a bot, or after one who is in review, counts."""
    gathered = _gathered(_click(5, judgement=judgement), _click(6))
    assert _of_day(gathered).counted == 1
    assert gathered.contenders[_slot()].place.offset == 6


def test_a_slot_that_another_holds_is_not_to_be_had() -> None:
    """The click is a repeat, and its visitor was counted before."""
    gathered = _gathered(_click(5), _click(6), known=[KnownVisitor(_slot(), EARLIER)])
    repeats = [click_row(_click(number, judgement=repeated(COUNTED))) for number in (5, 6)]
    assert gathered.rows == repeats
    assert _of_day(gathered) == ClickCounts(raw=2, not_counted=2)
    assert gathered.folded.link_day[LinkId(1), DAY] == ClickCounts(raw=2, not_counted=2)
    assert gathered.folded.advocate_quarter[AdvocateId("ada"), date(2022, 1, 1)] == _of_day(gathered)
    assert +gathered.judged == {(Verdict.NOT_COUNTED, (Reason.REPEAT,)): 2}


def test_a_visitor_of_another_link_is_new_to_the_link_alone() -> None:
    """The advocate had them that day already, once or several times over."""
    known = [KnownVisitor(_slot(link), None) for link in (1, 2)]
    gathered = _gathered(_click(5), _click(6, link=2), _click(7, "w"), known=known)
    assert _of_day(gathered) == ClickCounts(raw=3, counted=3, visitors=1)
    assert gathered.folded.link_day[LinkId(1), DAY].visitors == 2
    assert gathered.folded.link_day[LinkId(2), DAY].visitors == 1


def test_without_repeats_all_count_and_visitors_are_still_counted_once() -> None:
    """In the same batch or in another."""
    gathered = _gathered(_click(5), _click(6), repeats=Repeats.NONE)
    assert _of_day(gathered) == ClickCounts(raw=2, counted=2, visitors=1)
    gathered = _gathered(_click(5), _click(6), repeats=Repeats.NONE, known=[KnownVisitor(_slot(), EARLIER)])
    assert _of_day(gathered) == ClickCounts(raw=2, counted=2)


@given(clicks(), st.builds(Judgement, st.sampled_from(Verdict), st.lists(st.text("ab")).map(tuple), st.text("12")))
def test_a_row_that_is_judged_anew_is_as_if_it_had_been_judged_so(click: Click, after: Judgement) -> None:
    """Whatever the click and whatever it is now."""
    one = replace(_click(1), click=click)
    assert judged_anew(click_row(one), one.judgement, after) == click_row(replace(one, judgement=after))


def test_gathering_folds_as_folding_does() -> None:
    """But for visitors, of which a click alone says nothing."""
    judged = [_click(number, None, link=number % 2) for number in range(9)]
    assert _gathered(*judged).folded == fold(judged)
