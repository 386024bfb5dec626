"""GET and PUT /v1/programme."""

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Final, Literal, get_args

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aggregator.errors import ZoneInUseError
from aggregator.judge import Repeats
from aggregator.programme.origins import ORIGIN_CHARS_MAX, is_origin
from aggregator.programme.store import CURRENCY_DEFAULT, DAY_S, Programme, ProgrammeStore
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import problem
from http_api.problems import ProblemError, ProblemKind, refused_field
from http_api.texts import KindText, in_words
from link_events.click_ids import CLICK_ID_NAME, CLICK_ID_NAME_PATTERN
from link_events.currencies import CURRENCIES
from link_events.identity import Currency
from link_events.periods import Weekday, zone_named
from link_events.reasons import Earning, Model

WeekdayName = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
SPAN_S_MAX: Final = 3_653 * DAY_S
"""Ten years: a window that nobody needs longer, and instants stay within the calendar."""

KINDS_MAX: Final = 100
ORIGINS_MAX: Final = 100

ParameterName = Annotated[
    str,
    StringConstraints(pattern=f"^{CLICK_ID_NAME_PATTERN}$"),
    in_words("Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_', '~' and '-'"),
]
SpanS = Annotated[int, Field(ge=1, le=SPAN_S_MAX)]
PageOrigin = Annotated[str, StringConstraints(max_length=ORIGIN_CHARS_MAX)]
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
    currency: str = Field(
        CURRENCY_DEFAULT, max_length=3, description="The currency in which value is counted: a code of ISO 4217."
    )
    attribution_model: Model = Field(Model.LAST, description="The model whose credits are counted.")
    attribution_window_s: SpanS = Field(
        30 * DAY_S,
        description="For how long after it a click may earn credit, in seconds: from the click on, the end excluded.",
    )
    attribution_windows_s: dict[KindText, SpanS] = Field(
        default_factory=dict, max_length=KINDS_MAX, description="The same for single kinds of conversions."
    )
    half_life_s: SpanS = Field(7 * DAY_S, description="After how many seconds a touch weighs half, under `time_decay`.")
    earning: Earning = Field(
        Earning.COUNTED,
        description="Which clicks may earn: `counted`; `repeats`: repeats as well; `any`: whatever their verdict."
        " Self clicks and tests never do.",
    )
    pending_s: int = Field(
        7 * DAY_S,
        ge=0,
        le=SPAN_S_MAX,
        description="For how many seconds a click that a conversion names is waited for.",
    )
    browser_origins: list[PageOrigin] = Field(
        default_factory=list,
        max_length=ORIGINS_MAX,
        description="The pages from which browsers may report conversions, for example https://shop.example.com.",
    )
    browser_money: bool = Field(default=False, description="Whether what browsers report may have a value.")


class ProgrammeOut(BaseModel):
    """The programme as stored."""

    timezone: str
    first_weekday: WeekdayName
    repeats: Repeats
    click_ids: bool
    click_id_name: str
    currency: str
    attribution_model: Model
    attribution_window_s: int
    attribution_windows_s: dict[str, int]
    half_life_s: int
    earning: Earning
    pending_s: int
    browser_origins: list[str]
    browser_money: bool


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
        responses={
            409: problem(
                ProblemKind.ZONE_IN_USE, when="The zone would change, and something is stored by its local days."
            )
        },
    )
    async def put_programme(body: ProgrammeIn, _key: admin) -> ProgrammeOut:
        """409 where the zone would change although clicks, conversions or activities are stored by its local days."""
        programme = _wanted(body)
        try:
            await desk.store.change(programme)
        except ZoneInUseError as error:
            raise ProblemError(HTTPStatus.CONFLICT, ProblemKind.ZONE_IN_USE, f"timezone: {error}") from error
        return _shown(programme)

    return router


def _wanted(body: ProgrammeIn) -> Programme:
    if zone_named(body.timezone) is None:
        raise refused_field("timezone", f"{body.timezone!r} is no IANA time zone")
    if body.currency not in CURRENCIES:
        raise refused_field("currency", f"{body.currency!r} is no code of ISO 4217")
    for number, origin in enumerate(body.browser_origins):
        if not is_origin(origin):
            raise refused_field(f"browser_origins/{number}", f"{origin!r} is no origin as browsers send it")
    return Programme(
        **body.model_dump()
        | {
            "first_weekday": Weekday(_NAMES.index(body.first_weekday)),
            "currency": Currency(body.currency),
            "browser_origins": tuple(dict.fromkeys(body.browser_origins)),
        }
    )


def _shown(programme: Programme) -> ProgrammeOut:
    return ProgrammeOut.model_validate(asdict(programme) | {"first_weekday": _NAMES[programme.first_weekday]})
