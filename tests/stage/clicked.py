"""A season of clicks, and what its counts are, reckoned here without any code of ours."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from link_events.events import Click
from link_events.identity import AdvocateId, Code, LinkId
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import session

LINKS: Final = {1: "ada", 2: "ada", 3: "bo", 4: "cy"}
"""link → advocate. `idle` has neither links nor clicks."""

Key = str | int


@dataclass(frozen=True, slots=True)
class Clicked:
    """One click of the season: whose, on which UTC day, and whether it is a person's."""

    link: int
    day: date
    counted: bool

    @property
    def advocate(self) -> str:
        """Who is credited."""
        return LINKS[self.link]


SEASON: Final = [
    Clicked(link, date(2021, 12, 27) + timedelta(days=day), counted=(day + link) % 3 != 0)
    for link in LINKS
    for day in range(0, 100, 2 + 3 * link)
    for _ in range(1 + (day + link) % 2)
]
"""From the last week of a quarter to the first of the next but one; some days and weeks stay empty."""


async def stock(pipe: Pipe) -> None:
    """Bring the season through the pipe, with its advocates and links."""
    async with session(pipe.dsn) as test:
        for advocate in [*set(LINKS.values()), "idle"]:
            await test.execute("INSERT INTO advocate (advocate_id) VALUES ($1)", advocate)
        for link, advocate in LINKS.items():
            await test.execute(
                "INSERT INTO link (link_id, code, advocate_id, destination, change) OVERRIDING SYSTEM VALUE"
                " VALUES ($1, $2, $3, 'https://example.com/', $1)",
                *(link, f"code{link}", advocate),
            )
    pen = Pen()
    await pipe.take(*(pen.write(_click(one)) for one in SEASON))


def _click(one: Clicked) -> Click:
    return replace(
        PLAIN_CLICK,
        occurred_at=datetime.combine(one.day, time(12), UTC),
        link_id=LinkId(one.link),
        code=Code(f"code{one.link}"),
        advocate_id=AdvocateId(one.advocate),
        method="GET" if one.counted else "HEAD",
    )


def label(day: date, granularity: str) -> str:
    """What people call the day, week or quarter that holds `day`."""
    match granularity:
        case "day":
            return f"{day:%Y-%m-%d}"
        case "week":
            return f"{day:%G-W%V}"
        case "quarter":
            return f"{day:%Y}-Q{(day.month + 2) // 3}"
        case _:
            return "total"


def counted(
    key: Callable[[Clicked], Key], granularity: str, first: date = date.min, last: date = date.max
) -> list[tuple[Key, str, int, int, int]]:
    """(key, period, raw, counted, not counted) of the season from `first` to `last`, in the order of an answer."""
    raw: Counter[tuple[Key, str]] = Counter()
    people: Counter[tuple[Key, str]] = Counter()
    for one in SEASON:
        if first <= one.day <= last:
            place = (key(one), label(one.day, granularity))
            raw[place] += 1
            people[place] += one.counted
    return [(*place, raw[place], people[place], raw[place] - people[place]) for place in sorted(raw, key=_sorting)]


def _sorting(place: tuple[Key, str]) -> tuple[str, str]:
    return (str(place[0]), place[1])
