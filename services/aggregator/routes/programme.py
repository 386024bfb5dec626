"""GET and PUT /v1/programme."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aggregator.errors import ZoneInUseError
from aggregator.judge import Repeats
from aggregator.programme.store import Programme, ProgrammeStore
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import problem
from http_api.problems import ProblemError, ProblemKind, refused_field
from link_events.click_ids import CLICK_ID_NAME, CLICK_ID_NAME_PATTERN
from link_events.periods import Weekday, zone_named

WeekdayName = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ParameterName = Annotated[str, StringConstraints(pattern=f"^{CLICK_ID_NAME_PATTERN}$")]
_NAMES: tuple[WeekdayName, ...] = get_args(WeekdayName)


class ProgrammeIn(BaseModel):
    """The programme's settings; what is left out takes its default."""

    model_config = ConfigDict(extra="forbid")

    timezone: str = Field("UTC", max_length=64, description="An IANA zone, for example Europe/Berlin.")
    first_weekday: WeekdayName = Field("monday", description="The day a week begins on.")
    repeats: Repeats = Field(
        Repeats.DAY,
        description="`day`: of a visitor's clicks on a link, one counts per local day; `none`: all. Of what is applied"
        " from now on.",
    )
    click_ids: bool = Field(default=True, description="Whether redirects carry click ids; a link may say otherwise.")
    click_id_name: ParameterName = Field(CLICK_ID_NAME, description="The parameter that carries them.")


class ProgrammeOut(BaseModel):
    """The programme as stored."""

    timezone: str
    first_weekday: WeekdayName
    repeats: Repeats
    click_ids: bool
    click_id_name: str


@dataclass(frozen=True, slots=True)
class ProgrammeDesk:
    """What the endpoints below work with."""

    store: ProgrammeStore
    access: Access


def programme_routes(desk: ProgrammeDesk) -> APIRouter:
    """Anybody with stats may read the programme, an admin may change it."""
    router = APIRouter(prefix="/v1", tags=["programme"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]
    admin = Annotated[LiveKey, Depends(desk.access.needs(Scope.ADMIN))]

    @router.get(
        "/programme", operation_id="get_programme", summary="By which calendar counts are cut, and what redirects carry"
    )
    async def get_programme(_key: reader) -> ProgrammeOut:
        """The programme as it is."""
        return _shown(await desk.store.read())

    @router.put(
        "/programme",
        operation_id="put_programme",
        summary="Set by which calendar counts are cut, and what redirects carry",
        responses={409: problem(ProblemKind.ZONE_IN_USE, when="The zone would change, and clicks are stored.")},
    )
    async def put_programme(body: ProgrammeIn, _key: admin) -> ProgrammeOut:
        """409 where the zone would change although clicks are stored by its local days."""
        if zone_named(body.timezone) is None:
            raise refused_field("timezone", f"{body.timezone!r} is no IANA time zone")
        weekday = Weekday(_NAMES.index(body.first_weekday))
        programme = Programme(body.timezone, weekday, body.repeats, body.click_ids, body.click_id_name)
        try:
            await desk.store.change(programme)
        except ZoneInUseError as error:
            raise ProblemError(HTTPStatus.CONFLICT, ProblemKind.ZONE_IN_USE, f"timezone: {error}") from error
        return _shown(programme)

    return router


def _shown(programme: Programme) -> ProgrammeOut:
    return ProgrammeOut(
        timezone=programme.timezone,
        first_weekday=_NAMES[programme.first_weekday],
        repeats=programme.repeats,
        click_ids=programme.click_ids,
        click_id_name=programme.click_id_name,
    )
