"""Advocates: PUT and GET /v1/advocates/{id}, and POST /v1/advocates/bulk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, WrapValidator

from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import problem
from http_api.problems import FieldError, ProblemKind, not_found, refused_field
from http_api.texts import WRITTEN_AS_DATE, AdvocateIdText
from link_events.identity import NO_TEAM, AdvocateId, Team
from link_events.people import PersonOnDay
from link_events.periods import local_day
from redirector.advocates.history import Advocate, HistoryRow, PutOutcome, Said
from redirector.advocates.store import AdvocateStore
from redirector.field_types import Word
from redirector.programme.following import FollowedProgramme
from redirector.rows import Fault, WrongRowError, read_row

ROWS_MAX: Final = 2_000
"""Half a kilobyte a row is more than most have."""

ROLES_MAX: Final = 20

EARLIEST: Final = date(2000, 1, 1)

AHEAD_MAX: Final = timedelta(days=366)
"""How far ahead a change may be said: by more it is a slip of the pen."""

FROM_FAULT: Final = Fault("from", f"is before {EARLIEST} or more than {AHEAD_MAX.days} days ahead")


class AdvocateIn(BaseModel):
    """What is said of an advocate. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    display_name: Word | None = Field(None, description="How standings and pages call them; null: not at all.")
    public_standings: bool = Field(
        default=True, strict=True, description="Whether public standings name them; it holds for all times."
    )
    team: Word | None = Field(None, description="From that day on; null: none.")
    roles: list[Word] = Field(
        default_factory=list, max_length=ROLES_MAX, description="From that day on: executive, organiser, …."
    )
    excluded: bool = Field(default=False, strict=True, description="From every contest, from that day on.")
    active: bool = Field(
        default=True,
        strict=True,
        description="false: they leave that day. Their links redirect and are counted, and score no more.",
    )
    valid_from: Annotated[date, WRITTEN_AS_DATE] | None = Field(
        None, alias="from", description="The local day from which on the other four hold; today unless set."
    )


class AdvocateRowIn(AdvocateIn):
    """A row of several."""

    advocate_id: AdvocateIdText


_AsSent = WrapValidator(lambda row, _read: row)
"""A row is documented as what it ought to be, and taken as it is: each is read, and answered, by itself."""


class AdvocatesIn(BaseModel):
    """Several advocates."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Annotated[AdvocateRowIn, _AsSent]] = Field(min_length=1, max_length=ROWS_MAX)
    dry_run: bool = Field(default=False, strict=True, description="Tell what would become of each, and change nothing.")


class PersonOut(BaseModel):
    """What holds of an advocate from a day on."""

    valid_from: date = Field(alias="from")
    team: str | None
    roles: list[str]
    excluded: bool
    active: bool


class AdvocateOut(PersonOut):
    """An advocate as stored, with what holds on the day `from`."""

    advocate_id: str
    display_name: str | None
    public_standings: bool
    created_at: datetime
    updated_at: datetime


class HistoryOut(PersonOut):
    """What holds until the next row's day."""

    set_at: datetime
    set_by: str = Field(description="The key by which it was said.")


class AdvocateHistoryOut(AdvocateOut):
    """An advocate as stored, with what holds today and what held and will hold when."""

    rows: list[HistoryOut]


class RowOut(BaseModel):
    """What became of one row."""

    advocate_id: str | None = Field(description="Null where the row names none.")
    outcome: PutOutcome
    errors: list[FieldError] = Field(description="Of a row that is invalid.")


class RowsOut(BaseModel):
    """What became of each row, in their order."""

    dry_run: bool
    rows: list[RowOut]


@dataclass(frozen=True, slots=True)
class AdvocateDesk:
    """What the endpoints below work with."""

    store: AdvocateStore
    programme: FollowedProgramme
    access: Access
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def today(self) -> date:
        """The local day."""
        return local_day(self.now(), self.programme.zone)


def advocate_routes(desk: AdvocateDesk) -> APIRouter:
    """Endpoints for whoever keeps the list of advocates: a portal, or the company's directory of people."""
    router = APIRouter(prefix="/v1", tags=["advocates"])
    writer = Annotated[LiveKey, Depends(desk.access.needs(Scope.LINKS_WRITE))]

    @router.put(
        "/advocates/{advocate_id}",
        operation_id="put_advocate",
        summary="Make or change an advocate",
        responses={201: {"model": AdvocateOut, "description": "The advocate is new."}},
    )
    async def put_advocate(
        advocate_id: AdvocateIdText, body: AdvocateIn, response: Response, key: writer
    ) -> AdvocateOut:
        """201 where the advocate is new, else 200.

        What is left out stays as it is on that day, and what was said of later days stays as it was said.
        """
        try:
            said = _said(AdvocateId(advocate_id), body, desk.today())
        except WrongRowError as error:
            raise refused_field(*error.faults[0]) from error
        (put,) = await desk.store.put([said], key.key_id)
        response.status_code = HTTPStatus.CREATED if put.outcome is PutOutcome.CREATED else HTTPStatus.OK
        return _shown(put.advocate, put.valid_from, put.person)

    @router.get(
        "/advocates/{advocate_id}",
        operation_id="get_advocate",
        summary="An advocate as stored",
        responses={404: problem(ProblemKind.NOT_FOUND, when="There is no such advocate.")},
    )
    async def get_advocate(advocate_id: AdvocateIdText, _key: writer) -> AdvocateHistoryOut:
        """With what holds today, and under `rows` what held and will hold from which day on."""
        found = await desk.store.find(AdvocateId(advocate_id))
        if found is None:
            raise not_found(f"advocate {advocate_id}")
        advocate, history = found
        today = desk.today()
        holds = next((row.person for row in reversed(history) if row.valid_from <= today), PersonOnDay())
        rows = [_shown_row(row) for row in history]
        return AdvocateHistoryOut(**_fields(advocate, today, holds), rows=rows)

    @router.post("/advocates/bulk", operation_id="put_advocates", summary="Make or change several advocates")
    async def put_advocates(body: AdvocatesIn, key: writer) -> RowsOut:
        """Each row as by itself, in their order. One that is wrong is answered and left out, and hinders no other."""
        today = desk.today()
        read = [_read(row, today) for row in body.rows]
        said = [row for row in read if isinstance(row, Said)]
        put = iter(await desk.store.put(said, key.key_id, dry_run=body.dry_run))
        rows = [
            RowOut(advocate_id=row.advocate_id, outcome=next(put).outcome, errors=[]) if isinstance(row, Said) else row
            for row in read
        ]
        return RowsOut(dry_run=body.dry_run, rows=rows)

    return router


def _read(row: object, today: date) -> Said | RowOut:
    try:
        read = read_row(row, AdvocateRowIn)
        return _said(AdvocateId(read.advocate_id), read, today)
    except WrongRowError as error:
        named = row.get("advocate_id") if isinstance(row, Mapping) else None
        return RowOut(
            advocate_id=named if isinstance(named, str) else None,
            outcome=PutOutcome.INVALID,
            errors=[FieldError(fault.field or "row", fault.detail) for fault in error.faults],
        )


def _said(advocate_id: AdvocateId, body: AdvocateIn, today: date) -> Said:
    """What a row says.

    Raises:
        WrongRowError: the day is none of which something may be said.
    """
    valid_from = body.valid_from or today
    if not EARLIEST <= valid_from <= today + AHEAD_MAX:
        raise WrongRowError([FROM_FAULT])
    given: dict[str, Any] = {
        name: getattr(body, name) for name in AdvocateIn.model_fields if name in body.model_fields_set
    }
    given.pop("valid_from", None)
    if "team" in given:
        given["team"] = Team(given["team"] or NO_TEAM)
    if "roles" in given:
        given["roles"] = frozenset(given["roles"])
    return Said(advocate_id, valid_from, given)


def _shown(advocate: Advocate, day: date, person: PersonOnDay) -> AdvocateOut:
    return AdvocateOut(**_fields(advocate, day, person))


def _shown_row(row: HistoryRow) -> HistoryOut:
    return HistoryOut(**_person_fields(row.valid_from, row.person), set_at=row.set_at, set_by=row.set_by)


def _fields(advocate: Advocate, day: date, person: PersonOnDay) -> Mapping[str, Any]:
    return {
        **_person_fields(day, person),
        "advocate_id": advocate.advocate_id,
        "display_name": advocate.display_name,
        "public_standings": advocate.public_standings,
        "created_at": advocate.created_at,
        "updated_at": advocate.updated_at,
    }


def _person_fields(day: date, person: PersonOnDay) -> Mapping[str, Any]:
    return {
        "from": day,
        "team": person.team or None,
        "roles": sorted(person.roles),
        "excluded": person.excluded,
        "active": person.active,
    }
