"""`advolink contest try`: standings by rules in a file, from what is stored; nothing is changed."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from stage.pipe import Pipe
from stage.sales import NOON, Shop, money, sale
from stage.sql import execute, fetch

RULES: Final[Mapping[str, Any]] = {"name": "February", "period": {"first_day": "2022-02-01", "last_day": "2022-02-28"}}
PRIZES: Final = {"currency": "USD", "amounts_minor": [10_000, 5_000, 2_500]}
DAY: Final = timedelta(days=1)

SAID: Final = """
INSERT INTO advocate (advocate_id) VALUES ('{0}') ON CONFLICT DO NOTHING;
INSERT INTO advocate_state (advocate_id, valid_from, team, roles, excluded, active, set_by)
VALUES ('{0}', '{1}', '{2}', '{3}', false, {4}, 'test')
"""

ROWS: Final = """
SELECT tableoid, xmin::text, ctid::text FROM click UNION ALL SELECT tableoid, xmin::text, ctid::text FROM advocate_day
UNION ALL SELECT tableoid, xmin::text, ctid::text FROM slot ORDER BY 1, 3
"""

Try = Callable[..., Awaitable[Result]]


@pytest.fixture
def shop(pipe: Pipe) -> Shop:
    """On a fresh migrated database."""
    return Shop(pipe)


@pytest.fixture
def tried(pipe: Pipe, tmp_path: Path) -> Try:
    """Try rules."""

    async def run(rules: Mapping[str, Any] | str, *options: str) -> Result:
        file = tmp_path / "rules.json"
        file.write_text(rules if isinstance(rules, str) else json.dumps({**RULES, **rules}), encoding="utf-8")
        words = ["contest", "try", str(file), "--postgres-dsn", pipe.dsn, *options]
        return await asyncio.to_thread(CliRunner().invoke, main, words)

    return run


async def _told(tried: Try, **rules: Any) -> dict[str, Any]:
    result = await tried(rules, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.output))


async def _standings(tried: Try, **rules: Any) -> list[tuple[Any, ...]]:
    rows = (await _told(tried, **rules))["rows"]
    return [(row["rank"], row["advocate_id"], row["points_millionths"] / 1_000_000) for row in rows]


async def _says(
    pipe: Pipe, advocate_id: str, since: date, team: str = "", roles: str = "{}", *, active: bool = True
) -> None:
    await execute(pipe.dsn, SAID.format(advocate_id, since, team, roles, active))


async def test_clicks_are_ranked_and_nothing_is_changed(shop: Shop, tried: Try) -> None:
    """Counted ones of the period alone. Equals are told apart by who was there first."""
    for advocate, ago in (("ada", 1), ("ada", 2), ("bo", 3), ("cy", 2), ("bo", 50), ("ada", -20)):
        await shop.clicked(advocate, occurred_at=NOON - ago * DAY)
    await shop.clicked("cy", occurred_at=NOON, method="HEAD")
    before = await fetch(shop.pipe.dsn, ROWS)
    assert await _standings(tried) == [(1, "ada", 2), (2, "bo", 1), (3, "cy", 1)]
    assert await fetch(shop.pipe.dsn, ROWS) == before
    told = await _told(tried, prizes=PRIZES, tie_break=[])
    assert [(row["rank"], row["prize_minor"]) for row in told["rows"]] == [(1, 10_000), (2, 3_750), (2, 3_750)]


async def test_people_take_part_by_days(shop: Shop, tried: Try) -> None:
    """A change of team splits by its day; a leaver and an executive score nothing from theirs on."""
    for ago in range(6):
        for advocate in ("ada", "bo", "cy"):
            await shop.clicked(advocate, occurred_at=NOON - ago * DAY)
    today = NOON.date()
    await _says(shop.pipe, "ada", today - 10 * DAY, "sales")
    await _says(shop.pipe, "ada", today - DAY, "it")
    await _says(shop.pipe, "bo", today - 10 * DAY, "it")
    await _says(shop.pipe, "bo", today - 2 * DAY, "it", active=False)
    await _says(shop.pipe, "cy", today - 10 * DAY, roles="{executive}")
    told = await _told(tried, eligibility={"excluded_roles": ["executive"]})
    assert [(row["advocate_id"], row["clicks"]) for row in told["rows"]] == [("ada", 6), ("bo", 3)]
    assert [(row["team"], row["active"], row["points_millionths"]) for row in told["teams"]] == [
        ("it", 2, 5_000_000),
        ("sales", 1, 4_000_000),
    ]
    assert told["absent"] == [{"advocate_id": "bo", "why": "left"}, {"advocate_id": "cy", "why": "excluded_role"}]
    small = (await _told(tried, teams={"min_active": 2}))["teams"]
    assert small[-1] == {"rank": None, "team": "sales", "active": 1}


async def test_conversions_score_on_their_own_day(shop: Shop, tried: Try) -> None:
    """Clicks, conversions and value, each with its weight; halves where two advocates earned."""
    one, other = await shop.clicked("ada"), await shop.clicked("bo", occurred_at=NOON - 2 * DAY)
    await shop.reports(
        sale("A", one, **money(1_000)),
        sale("B", other, occurred_at=NOON - DAY, **money(501)),
        sale("late", one, occurred_at=NOON + 20 * DAY, **money(1_000)),
    )
    await shop.settles()
    points = {"click": "1", "conversion": "25", "value": "0.01"}
    scoring = {"metric": "points", "points": points}
    assert await _standings(tried, scoring=scoring) == [(1, "ada", 36), (2, "bo", 31.01)]
    assert await _standings(tried, scoring={"metric": "conversions"}) == [(1, "bo", 1), (2, "ada", 1)]


async def test_caps_and_visitor_days(shop: Shop, tried: Try) -> None:
    """Of a day the first clicks score, and a visitor once, whatever links they follow."""
    for hour in range(5):
        await shop.clicked("ada", occurred_at=NOON - timedelta(hours=hour), visitor=f"visitor {hour % 2}")
    await execute(shop.pipe.dsn, "UPDATE click SET verdict = 'counted'")
    caps = {"clicks_per_advocate_day": 3}
    assert await _standings(tried, scoring={"metric": "clicks", "caps": caps}) == [(1, "ada", 3)]
    assert await _standings(tried, scoring={"metric": "visitor_days"}) == [(1, "ada", 2)]


async def test_a_table_is_shown_to_people(shop: Shop, tried: Try) -> None:
    """With names, where there are any, and what they are takes over no terminal."""
    await shop.clicked("ada")
    await execute(shop.pipe.dsn, "INSERT INTO advocate (advocate_id, display_name) VALUES ('ada', E'A\\u001b[31mda')")
    result = await tried({"prizes": PRIZES | {"amounts_minor": [10_000]}})
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "February: 2022-02-01 to 2022-02-28 (UTC)"
    assert "A prize takes 1 points (place 1)." in lines
    row = next(line for line in lines if "ada" in line)
    assert "100.00 USD" in row
    assert "\x1b" not in result.output


async def test_days_whose_clicks_were_let_go_are_not_scored(shop: Shop, tried: Try) -> None:
    """Standings without them would look like standings. Conversions alone can be scored all the same."""
    await shop.clicked("ada")
    await execute(shop.pipe.dsn, "UPDATE raw_horizon SET kept_from = '2022-02-05'")
    result = await tried({})
    assert result.exit_code == 1
    assert "raw clicks of before 2022-02-05 (UTC) were let go" in result.output
    assert await _standings(tried, scoring={"metric": "conversions"}) == []


@pytest.mark.parametrize(
    ("rules", "faults"),
    [
        ("{", ["rules.json is no JSON"]),
        ("[]", ["rules: "]),
        ('{"name": "", "colour": 1}', ["name: ", "colour: ", "period: Field required"]),
        ("[" * 100_000, ["rules.json is no JSON"]),
    ],
)
async def test_wrong_rules_are_refused_with_every_fault(tried: Try, rules: str, faults: list[str]) -> None:
    """By its field, in words."""
    result = await tried(rules)
    assert result.exit_code == 1
    assert not [fault for fault in faults if fault not in result.output]
