"""The command `advolink contest try`, which works on the database itself and changes nothing."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TextIO

import click

from aggregator.commands import chosen_stores, json_option, show_json, show_table, shown_instant, stores_options
from aggregator.contests.asking import RulesRefusedError, read_rules, written
from aggregator.contests.rules import Prizes, Rules
from aggregator.errors import RawClicksGoneError
from aggregator.scoring.weights import MILLIONTHS
from aggregator.standing.ranking import Standing, prize_line
from aggregator.standing.teams import TeamStanding
from aggregator.trying.running import Tried, try_rules
from database.commands import run_with_database
from database.pool import small_pool
from link_events.currencies import CURRENCIES
from link_events.identity import AdvocateId

READING_TIMEOUT: Final = timedelta(minutes=10)
"""Of one page of advocates: their clicks may be millions."""


@click.group("contest")
def contest_group() -> None:
    """Contests among advocates."""


@contest_group.command("try")
@click.argument("file", type=click.File(encoding="utf-8"))
@json_option
@stores_options
def try_(file: TextIO, *, postgres_dsn: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Reckon standings by the rules in FILE (JSON, - for standard input; docs/contests.md), as of now. Nothing changes.

    Teams, roles and exclusions are those of each day. Whoever has clicks and takes no part is named, with the reason.
    """
    rules = _read(file)
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> Tried:
        async with small_pool(dsn, command_timeout=READING_TIMEOUT, application="advolink contest") as pool:
            return await try_rules(pool, rules)

    try:
        tried = run_with_database(job)
    except RawClicksGoneError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        show_json(_for_machines(tried))
    else:
        _show(tried)


def _read(file: TextIO) -> Rules:
    """The rules of a file.

    Raises:
        click.ClickException: there are none in it; every fault is named.
    """
    try:
        document = json.load(file)
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{file.name} is no JSON: {error}.") from error
    try:
        return read_rules(document)
    except RulesRefusedError as error:
        for path, text in error.faults:
            click.echo(f"{path or 'rules'}: {text}", err=True)
        raise click.ClickException(f"{file.name} has no rules that a contest may have.") from error


def _show(tried: Tried) -> None:
    rules = tried.rules
    click.echo(f"{rules.name}: {rules.first_day} to {rules.last_day} ({tried.freshness.programme.timezone})")
    show_table(
        *("rank", "advocate", "points", "gap", "clicks", "conversions", "prize", "name"),
        rows=[_cells(standing, rules.prizes, tried.names) for standing in tried.standings],
    )
    if any(not team.small for team in tried.teams):
        show_table("rank", "points", "active", "average", "team", rows=[_team_cells(team) for team in tried.teams])
    for advocate_id, why in sorted(tried.absent.items()):
        click.echo(f"{advocate_id} takes no part: {why}")
    line = prize_line(tried.standings, rules.prizes)
    if line is not None:
        click.echo(f"A prize takes {shown_points(line[1])} points (place {line[0]}).")
    click.echo(f"Everything up to {shown_instant(tried.freshness.complete_through)} is counted.")


def _cells(standing: Standing, prizes: Prizes | None, names: Mapping[AdvocateId, str]) -> tuple[object, ...]:
    score = standing.score
    return (
        standing.rank or "-",
        score.advocate_id,
        shown_points(score.points_millionths),
        "" if standing.gap_millionths is None else shown_points(standing.gap_millionths),
        score.clicks,
        shown_points(score.conversions_millionths),
        "" if standing.prize_minor is None or prizes is None else shown_money(standing.prize_minor, prizes),
        names.get(score.advocate_id, ""),
    )


def _team_cells(team: TeamStanding) -> tuple[object, ...]:
    if team.small:
        return ("-", "", team.active, "", team.team)
    average = f"{float(team.average) / MILLIONTHS:,.2f}"
    return (team.rank, shown_points(team.points_millionths), team.active, average, team.team)


def shown_points(millionths: int) -> str:
    """Points as people write them: exactly, with no digits that say nothing."""
    whole, part = divmod(abs(millionths), MILLIONTHS)
    digits = f"{part:06}".rstrip("0")
    return f"{'-' if millionths < 0 else ''}{whole:,}{f'.{digits}' if digits else ''}"


def shown_money(amount_minor: int, prizes: Prizes) -> str:
    """An amount in the prizes' currency, exactly."""
    digits = CURRENCIES[prizes.currency]
    whole, part = divmod(amount_minor, 10**digits)
    return f"{whole:,}{f'.{part:0{digits}}' if digits else ''} {prizes.currency}"


def _for_machines(tried: Tried) -> Mapping[str, Any]:
    return {
        "rules": written(tried.rules),
        "timezone": tried.freshness.programme.timezone,
        "as_of": tried.freshness.as_of,
        "complete_through": tried.freshness.complete_through,
        "provisional": tried.freshness.is_provisional(tried.rules.last_day),
        "rows": [_row(standing) for standing in tried.standings],
        "teams": [_team_row(team) for team in tried.teams],
        "absent": _absent_rows(tried),
    }


def _row(standing: Standing) -> Mapping[str, Any]:
    score = standing.score
    return {
        "rank": standing.rank,
        "advocate_id": score.advocate_id,
        "points_millionths": score.points_millionths,
        "conversions_millionths": score.conversions_millionths,
        "clicks": score.clicks,
        "reached_at": score.reached_at,
        "gap_millionths": standing.gap_millionths,
        "prize_minor": standing.prize_minor,
    }


def _team_row(team: TeamStanding) -> Mapping[str, Any]:
    numbers = {"points_millionths": team.points_millionths, "average_millionths": int(team.average)}
    return {"rank": team.rank, "team": team.team, "active": team.active, **({} if team.small else numbers)}


def _absent_rows(tried: Tried) -> Sequence[Mapping[str, Any]]:
    return [{"advocate_id": advocate_id, "why": why} for advocate_id, why in sorted(tried.absent.items())]
