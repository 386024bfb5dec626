"""A local day has one salt: the shared one where it is known, else one of this process's own."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from link_events.periods import zone_named
from redirector.visitors.salts import DAYS_AHEAD, KEPT_AFTER, SALT_BYTES, Salts, first_day_kept

TODAY: Final = date(2026, 11, 26)
DAY: Final = timedelta(days=1)
AHEAD: Final = {TODAY + number * DAY for number in range(DAYS_AHEAD + 1)}


def secret(number: int) -> bytes:
    return bytes([number]) * SALT_BYTES


def test_a_local_salt_is_drawn_once_a_day_and_is_nobody_elses() -> None:
    """32 random bytes."""
    salts, others = Salts(), Salts()
    assert salts.of(TODAY) is salts.of(TODAY)
    assert salts.of(TODAY).local
    drawn = {one.secret for one in (salts.of(TODAY), salts.of(TODAY + DAY), others.of(TODAY))}
    assert {len(one) for one in drawn} == {32}
    assert len(drawn) == 3


def test_the_shared_salt_takes_the_place_of_the_local_one() -> None:
    salts = Salts()
    local = salts.of(TODAY)
    salts.share({TODAY: secret(1)})
    shared = salts.of(TODAY)
    assert (shared.secret, shared.local) == (secret(1), False)
    assert (salts.holds(shared), salts.holds(local)) == (True, False)
    salts.share({TODAY: secret(1), TODAY + DAY: secret(2)})
    assert salts.of(TODAY) is shared


def test_today_and_the_days_ahead_are_offered() -> None:
    """What keys were made with already is offered again, so that they stay what they are; the rest is drawn."""
    salts = Salts({TODAY - DAY: secret(1), TODAY + DAY: secret(2), TODAY - 9 * DAY: secret(3)})
    local = salts.of(TODAY).secret
    offers = salts.offers(TODAY - 2 * DAY, TODAY)
    assert offers.keys() == AHEAD | {TODAY - DAY}
    assert (offers[TODAY - DAY], offers[TODAY], offers[TODAY + DAY]) == (secret(1), local, secret(2))
    assert len(offers[TODAY + 2 * DAY]) == SALT_BYTES


def test_a_local_salt_of_a_day_gone_by_is_offered_to_nobody() -> None:
    """Nobody would key a click with it any more."""
    salts = Salts()
    salts.of(TODAY - DAY)
    assert salts.offers(TODAY - 2 * DAY, TODAY).keys() == AHEAD


def test_what_others_no_longer_share_is_forgotten() -> None:
    salts = Salts({TODAY - DAY: secret(1), TODAY: secret(2)})
    salts.share({TODAY: secret(2)})
    assert salts.shared == {TODAY: secret(2)}


def test_a_salt_is_let_go_of_with_its_day() -> None:
    """Local ones too."""
    salts = Salts({TODAY - DAY: secret(1), TODAY: secret(2)})
    local = salts.of(TODAY - 3 * DAY)
    salts.let_go(TODAY)
    assert salts.shared == {TODAY: secret(2)}
    assert not salts.holds(local)


def test_days_ahead_are_counted_up_to_the_first_gap() -> None:
    """What is behind a gap does not help over the next midnight."""
    salts = Salts({day: secret(1) for day in (TODAY, TODAY + DAY, TODAY + 3 * DAY)})
    assert [salts.days_ahead(TODAY + number * DAY) for number in (-2, -1, 0, 1, 2, 3)] == [0, 2, 1, 0, 1, 0]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/St_Johns"])
def test_a_salt_is_kept_for_48_hours_after_the_end_of_its_day(zone: str) -> None:
    """To the instant, also over a change of clocks."""
    place = zone_named(zone)
    assert place is not None
    for day in (TODAY, date(2026, 3, 28), date(2026, 10, 24), date(2026, 10, 25)):
        ends = datetime.combine(day + DAY, datetime.min.time(), place).astimezone(UTC)
        over = ends + KEPT_AFTER
        assert first_day_kept(over - timedelta.resolution, place) == day
        assert first_day_kept(over, place) == day + DAY


def test_a_salt_is_never_shown() -> None:
    """Neither in a log nor in a trace."""
    salt = Salts({TODAY: secret(65)}).of(TODAY)
    assert "AAA" not in repr(salt)
