"""What conversions are to be credited, by a second reckoning that shares nothing with the service's but the words.

It looks at what was received, at clicks as they are judged, and at the programme; never at what was attributed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Final

import orjson

from database.queries import load_queries
from stage.sql import fetch

MODELS: Final = ("last", "first", "linear", "position", "time_decay")
DIGITS: Final = {"JPY": 0, "EUR": 2, "USD": 2, "KWD": 3}
VALUE_MAX: Final = 10**15

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

Row = tuple[Any, ...]
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """The programme."""

    currency: str
    model: str
    window: timedelta
    windows: Mapping[str, timedelta]
    half_life: timedelta
    earning: str
    pending: timedelta
    rates: Mapping[tuple[str, date], Decimal]


@dataclass(slots=True)
class Sale:
    """A conversion, by the event that stands for it."""

    key: Key
    touches: list[Row]
    taken_back: list[int | None]
    occurred_at: datetime
    logged_at: datetime
    day: date
    customer: bytes | None
    value: int | None
    currency: str | None
    test: bool


async def misattributed(dsn: str, now: datetime) -> list[Row]:
    """Conversions, credits and counts that are not what all of it comes to at `now`: (what, stored, expected)."""
    rules = await _rules(dsn)
    sales = await _sales(dsn)
    binders = _binders(sales, rules)
    outcomes: set[Row] = set()
    credits_: set[Row] = set()
    for sale in sales:
        state, follows, value, earned = _reckon(sale, binders, rules, now)
        outcomes.add((*sale.key, state, follows, value))
        credits_ |= {(*sale.key, *credit) for credit in earned}
    wrong: list[Row] = []
    for what, expected in (("conversion", outcomes), ("credit", credits_)):
        stored = set(await fetch(dsn, _SQL[what]))
        wrong += [(what, "stored", row) for row in stored - expected]
        wrong += [(what, "expected", row) for row in expected - stored]
    for table in ("advocate_day", "advocate_quarter", "link_day"):
        counted = {row for row in await fetch(dsn, _SQL[table]) if any(row[2:])}
        wrong += [(table, row) for row in counted ^ _counts(table, credits_)]
    return wrong


def _reckon(
    sale: Sale, binders: Mapping[bytes, Sale], rules: Rules, now: datetime
) -> tuple[str, str | None, int | None, set[Row]]:
    whys = [_why(sale, touch, rules) for touch in sale.touches]
    binder = None if sale.touches else _binder(sale, binders)
    earning = _earning(binder, rules) if binder else _earning(sale, rules)
    follows = binder.key[2] if binder else None
    net = max(0, (sale.value or 0) - sum(one or 0 for one in sale.taken_back))
    value = _in_currency(net, sale, rules)
    state = "credited"
    if None in sale.taken_back:
        state = "reversed"
    elif sale.test:
        state = "test"
    elif not earning:
        state = _empty_state(whys, waits=now < sale.logged_at + rules.pending)
    elif value is None:
        state = "unknown_currency"
    elif value > VALUE_MAX:
        state = "value_too_large"
    if state != "credited" or value is None:
        return state, follows, None, set()
    return state, follows, value, _shared_out(sale, earning, value, rules)


def _empty_state(whys: list[str], *, waits: bool) -> str:
    if waits and ("unknown" in whys or not whys):
        return "pending_click"
    known = [why for why in whys if why != "unknown"]
    if not known:
        return "unknown_click"
    if set(known) == {"self"}:
        return "self"
    words = {"not_counted": "not_counted_click"}
    return next(words.get(why, why) for why in ("not_counted", "outside_window", "precedes_click") if why in known)


def _why(sale: Sale, touch: Row, rules: Rules) -> str:
    clicked_at, _, _, _, verdict, reasons, is_own, is_test = touch[3:]
    if clicked_at is None:
        return "unknown"
    if is_own:
        return "self"
    if sale.occurred_at < clicked_at:
        return "precedes_click"
    if sale.occurred_at >= clicked_at + rules.windows.get(sale.key[1], rules.window):
        return "outside_window"
    allowed = {
        "counted": verdict == "counted",
        "repeats": verdict == "counted" or reasons == ["repeat"],
        "any": True,
    }
    return "earns" if allowed[rules.earning] and not is_test else "not_counted"


def _earning(sale: Sale, rules: Rules) -> list[Row]:
    return [touch for touch in sale.touches if _why(sale, touch, rules) == "earns"]


def _binders(sales: Iterable[Sale], rules: Rules) -> Mapping[bytes, Sale]:
    """Of each customer the first sale that binds: whatever happened before it follows none."""
    first: dict[bytes, Sale] = {}
    for sale in sorted(sales, key=lambda sale: (sale.occurred_at, sale.key)):
        if sale.customer is not None and sale.customer not in first and not sale.test and _earning(sale, rules):
            first[sale.customer] = sale
    return first


def _binder(sale: Sale, binders: Mapping[bytes, Sale]) -> Sale | None:
    binder = None if sale.customer is None else binders.get(sale.customer)
    return binder if binder is not None and binder.occurred_at <= sale.occurred_at else None


def _in_currency(net: int, sale: Sale, rules: Rules) -> int | None:
    if net == 0 or sale.currency == rules.currency or sale.currency is None:
        return net
    known = [
        (since, rate)
        for (currency, since), rate in rules.rates.items()
        if currency == sale.currency and since <= sale.day
    ]
    if not known:
        return None
    return round(net * Fraction(max(known)[1]) * Fraction(10) ** (DIGITS[rules.currency] - DIGITS[sale.currency]))


def _shared_out(sale: Sale, earning: list[Row], value: int, rules: Rules) -> set[Row]:
    touches = sorted(earning, key=lambda touch: (touch[3], *touch[:3]))
    parts = {model: _parts(model, [touch[3] for touch in touches], rules.half_life) for model in MODELS}
    counted = parts[rules.model]
    ends = [floor(Fraction(value * sum(counted[:count]), 10**6)) for count in range(len(touches) + 1)]
    return {
        (
            *touch[:3],
            *(touch[5], touch[6], sale.day, touch[4]),
            *(parts[model][place] for model in MODELS),
            counted[place],
            ends[place + 1] - ends[place],
        )
        for place, touch in enumerate(touches)
    }


def _parts(model: str, instants: list[datetime], half_life: timedelta) -> list[int]:
    """Millionths by the largest remainder, of equal ones the later."""
    exact = [share * 10**6 for share in _shares(model, instants, half_life)]
    parts = [floor(share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda place: (exact[place] - parts[place], place))
    for place in by_rest[len(exact) - (10**6 - sum(parts)) :]:
        parts[place] += 1
    return parts


def _shares(model: str, instants: list[datetime], half_life: timedelta) -> list[Fraction]:
    count = len(instants)
    one, none = Fraction(1), Fraction(0)
    if model == "last":
        return [none] * (count - 1) + [one]
    if model == "first":
        return [one] + [none] * (count - 1)
    if model == "position" and count > 2:
        return [Fraction(2, 5), *[Fraction(1, 5) / (count - 2)] * (count - 2), Fraction(2, 5)]
    if model != "time_decay":
        return [one / count] * count
    with localcontext() as context:
        context.prec = 60
        ages = [Decimal((instants[-1] - instant) // timedelta(microseconds=1)) for instant in instants]
        halves = [Decimal("0.5") ** (age / (half_life // timedelta(microseconds=1))) for age in ages]
        weights = [Fraction(round(half * 10**18)) for half in halves]
    return [weight / sum(weights) for weight in weights]


def _counts(table: str, credits_: Iterable[Row]) -> set[Row]:
    sums: dict[Row, Counter[int]] = defaultdict(Counter)
    for credit in credits_:
        advocate, link, day, click_day = credit[6:10]
        key = link if table == "link_day" else advocate
        for place, on in ((0, day), (2, click_day)):
            start = date(on.year, on.month - (on.month - 1) % 3, 1) if table == "advocate_quarter" else on
            sums[key, start].update({place: credit[-2], place + 1: credit[-1]})
    rows = {(*key, *(one[place] for place in range(4))) for key, one in sums.items()}
    return {row for row in rows if any(row[2:])}


async def _sales(dsn: str) -> list[Sale]:
    events: dict[Key, list[Row]] = defaultdict(list)
    for row in await fetch(dsn, _SQL["events"]):
        events[row[:3]].append(row[3:])
    touches: dict[Row, list[Row]] = defaultdict(list)
    for row in await fetch(dsn, _SQL["touches"]):
        touches[row[:3]].append(row[3:])
    taken_back: dict[Key, list[int | None]] = defaultdict(list)
    for source, kind, external_id, value in await fetch(dsn, _SQL["reversals"]):
        taken_back[source, kind, external_id].append(value)
    sales = []
    for key, rows in events.items():
        holder = min(rows, key=lambda row: (row[0], row[1], row[2], row[4]))
        sales.append(Sale(key, touches[holder[2:5]], taken_back[key], *holder[5:]))
    return sales


async def _rules(dsn: str) -> Rules:
    currency, model, window_s, windows_s, half_life_s, earning, pending_s = (await fetch(dsn, _SQL["programme"]))[0]
    rates = {(row[1], row[2]): row[3] for row in await fetch(dsn, _SQL["rates"]) if row[0] == currency}
    windows = {kind: timedelta(seconds=one) for kind, one in orjson.loads(windows_s).items()}
    lengths = (timedelta(seconds=half_life_s), earning, timedelta(seconds=pending_s))
    return Rules(currency, model, timedelta(seconds=window_s), windows, *lengths, rates)
