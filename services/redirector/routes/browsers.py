"""What browsers ask for themselves, without a key: GET /v1/track.js, POST /v1/beacon and GET /v1/pixel.gif.

docs/conversions.md tells web developers how to use them, ADR 21 what bounds an intake that anybody may write to.
"""

import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from http_api.bodies import BodyTooLargeError
from http_api.openapi import LIMITED, RETRY_AFTER, Responses, Schema, problem
from http_api.problems import ProblemError, ProblemKind, refused_field
from http_api.texts import ExternalIdText, KindText, SourceText
from link_events.events import VALUE_MINOR_MAX, Conversion
from link_events.identity import Origin
from link_events.reasons import Via
from redirector.browser.origins import asking_origin
from redirector.browser.track_script import TrackScript, track_script
from redirector.conversions.answers import Answer, RefusedRowError
from redirector.conversions.reading import (
    ConversionIn,
    MinorValue,
    conversion_of,
    expect_takeable,
    read_report,
)
from redirector.finding import NetworkOf
from redirector.journal.journal import utc_now
from redirector.metrics import BrowserMetrics
from redirector.network_limits import NetworkLimits
from redirector.programme.following import FollowedProgramme
from redirector.recording import Recorder
from redirector.routes.conversions import ReceivedOut, kept_or_refused, refusal
from redirector.routes.redirects import captured
from redirector.signing.checking import ClickIdCheck

BROWSER_TOUCHES_MAX: Final = 20
"""As many as track.js keeps. It bounds what a report costs that somebody has made up."""

BEACON_BYTES_MAX: Final = 8_192
"""Several times what a report of so many touches takes."""

SCRIPT_SECONDS_MAX: Final = 300
"""How long a browser takes the script that it has: by then a change of the programme has reached every page."""

ORIGIN_CHARS_SHOWN: Final = 200
"""Of what somebody says that their origin is."""

PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A picture of one dot, which nobody sees."""

_FOR_EVERY_PAGE: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
"""Pages that isolate themselves (COEP) may load it, too."""

_NEVER_KEPT: Final = {"Cache-Control": "private, no-store", **_FOR_EVERY_PAGE}


class BeaconIn(BaseModel):
    """The body of a beacon."""

    model_config = ConfigDict(extra="forbid")

    source: SourceText = Field(description="The system that the conversion is known to: shop, crm, ….")
    kind: KindText = Field(description="What kind of conversion it is: lead, demo, sale, ….")
    external_id: ExternalIdText = Field(description="What that system calls it. With source and kind it counts once.")
    click_ids: Annotated[list[str], Field(min_length=1, max_length=BROWSER_TOUCHES_MAX)] = Field(
        description="Of the clicks that may have brought it about. Those that are not ours are left out."
    )
    value_minor: MinorValue | None = Field(None, description="In minor units; only where the programme allows it.")
    currency: str | None = Field(None, description="A code of ISO 4217, where a value is given.")


class PixelQuery(BeaconIn):
    """The query of a picture. What pages add to it, against caches, is let through."""

    model_config = ConfigDict(extra="ignore")

    click_ids: Annotated[list[str], Field(min_length=1, max_length=BROWSER_TOUCHES_MAX)] = Field(
        alias="click_id", description="Of a click that may have brought it about. It may stand several times."
    )
    value_minor: Annotated[int, Field(ge=0, le=VALUE_MINOR_MAX)] | None = Field(
        None, description="In minor units; only where the programme allows it."
    )


def _query_parameters() -> list[Schema]:
    schema = PixelQuery.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": part}
        for name, part in schema["properties"].items()
    ]


_BODY: Final[Schema] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": BeaconIn.model_json_schema()}}}
}
_QUERY: Final[Schema] = {"parameters": _query_parameters()}
_REFUSALS: Final[Responses] = {
    403: problem(ProblemKind.ORIGIN_NOT_ALLOWED, when="The page is of none of the origins that the programme names."),
    422: problem(ProblemKind.INVALID_FIELD, ProblemKind.BAD_SIGNATURE, when="A field is wrong, or no click is ours."),
    429: problem(ProblemKind.RATE_LIMITED, when="Browsers of this network report too much.") | {"headers": LIMITED},
    503: problem(ProblemKind.UNAVAILABLE, ProblemKind.JOURNAL_FULL, when="A key is missing, or the disk is full.")
    | {"headers": RETRY_AFTER},
}
_BEACON_ANSWERS: Final[Responses] = {
    **_REFUSALS,
    202: {"description": "Journaled."},
    400: problem(ProblemKind.NOT_JSON, when="The body is no JSON."),
    413: problem(ProblemKind.BODY_TOO_LARGE, when=f"The body is larger than {BEACON_BYTES_MAX} bytes."),
}
_PICTURE: Final[Schema] = {"content": {"image/gif": {"schema": {"type": "string", "format": "binary"}}}}
_PIXEL_ANSWERS: Final[Responses] = {
    200: _PICTURE | {"description": "Journaled."},
    **{status: refused | _PICTURE for status, refused in _REFUSALS.items()},
}
_SCRIPT_ANSWERS: Final[Responses] = {
    200: {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}},
    304: {"description": "The browser has it already."},
}

Read = Callable[[], Awaitable[BeaconIn]]
"""Reads what was sent, once it is known that whoever sent it may. Raises RefusedRowError or ProblemError."""


@dataclass(frozen=True, slots=True)
class BrowserDesk:
    """What the endpoints below work with."""

    programme: FollowedProgramme
    limits: NetworkLimits
    network_of: NetworkOf
    click_ids: ClickIdCheck
    recorder: Recorder
    metrics: BrowserMetrics

    def script(self) -> TrackScript:
        """track.js, by the programme as it is."""
        programme = self.programme.current
        return track_script(programme.click_id_name, programme.longest_window_s)

    async def take(self, request: Request, via: Via, read: Read) -> Origin:
        """Journal the conversion that a browser reports, or refuse it with a ProblemError. Either is counted."""
        try:
            origin = await self._taken(request, via, read)
        except ProblemError as refused:
            self.metrics.count(via, refused.status)
            raise
        self.metrics.count(via, HTTPStatus.ACCEPTED)
        return origin

    async def _taken(self, request: Request, via: Via, read: Read) -> Origin:
        self._admit(request, via)
        try:
            with kept_or_refused():
                (origin,) = await self.recorder.keep([await self._conversion(await read(), via)])
        except RefusedRowError as error:
            raise refusal(error.refused) from error
        return origin

    def _admit(self, request: Request, via: Via) -> None:
        """By the page that asks, and by how much its network has reported already."""
        referrer = request.headers.get("referer") if via is Via.PIXEL else None
        origin = asking_origin(request.headers.get("origin"), referrer)
        if origin not in self.programme.current.browser_origins:
            told = "a page that keeps its origin to itself" if origin is None else origin[:ORIGIN_CHARS_SHOWN]
            detail = f"{told} is not among the programme's browser_origins"
            raise ProblemError(HTTPStatus.FORBIDDEN, ProblemKind.ORIGIN_NOT_ALLOWED, detail)
        asked = captured(request)
        network = self.network_of(asked.peer, asked.forwarded_for, utc_now())
        if not self.limits.admit(network, time.monotonic()):
            status, headers = HTTPStatus.TOO_MANY_REQUESTS, self.limits.headers
            detail = "browsers of this network have reported too much; what a server reports is not limited"
            raise ProblemError(status, ProblemKind.RATE_LIMITED, detail, headers=headers)

    async def _conversion(self, report: BeaconIn, via: Via) -> Conversion:
        """The conversion that is reported, at this instant.

        An id that is not ours is left out: it lies in a browser's storage, where nobody can correct it. A link that
        somebody made up would else cost whoever followed it every later credit.
        """
        now = utc_now()
        if report.value_minor is not None and not self.programme.current.browser_money:
            raise refused_field("value_minor", "browsers may tell no money here: the programme's browser_money is off")
        said = ConversionIn.model_validate({**report.model_dump(), "time": now})
        expect_takeable(said, now)
        touches = await self.click_ids.valid_among(said.click_ids)
        if not touches:
            detail = "click_ids: none of them is ours"
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, ProblemKind.BAD_SIGNATURE, detail)
        return conversion_of(said, touches, None, via)


def browser_routes(desk: BrowserDesk) -> APIRouter:
    """Endpoints for everybody's browser."""
    router = APIRouter(prefix="/v1", tags=["browsers"])

    @router.get(
        "/track.js",
        operation_id="track_js",
        summary="The script for web pages",
        response_class=Response,
        responses=_SCRIPT_ANSWERS,
    )
    async def track_js(request: Request) -> Response:
        """It keeps which links led somebody to a page, and reports with beacons what came of it."""
        script = desk.script()
        headers = {"Cache-Control": f"public, max-age={SCRIPT_SECONDS_MAX}", "ETag": script.etag, **_FOR_EVERY_PAGE}
        if script.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(script.body, headers=headers, media_type="text/javascript")

    @router.post(
        "/beacon",
        operation_id="take_beacon",
        summary="A conversion that track.js reports",
        status_code=HTTPStatus.ACCEPTED,
        openapi_extra=_BODY,
        responses=_BEACON_ANSWERS,
    )
    async def take_beacon(request: Request, response: Response) -> ReceivedOut:
        """It happened when it arrives. JSON that is sent as text, so that no browser asks for leave beforehand."""

        async def read() -> BeaconIn:
            return read_report(await _json(request), BeaconIn)

        response.headers.update(_NEVER_KEPT)
        origin = await desk.take(request, Via.SCRIPT, read)
        return ReceivedOut(status=Answer.RECEIVED, event_id=origin.event_id)

    @router.get(
        "/pixel.gif",
        operation_id="take_pixel",
        summary="A conversion that a picture reports",
        response_class=Response,
        openapi_extra=_QUERY,
        responses=_PIXEL_ANSWERS,
    )
    async def take_pixel(request: Request) -> Response:
        """As a beacon, for pages without scripts. The answer is a picture of one dot, whatever its status."""

        async def read() -> BeaconIn:
            query = request.query_params
            return read_report({**query, "click_id": query.getlist("click_id")}, PixelQuery)

        status, headers = HTTPStatus.OK, dict(_NEVER_KEPT)
        try:
            await desk.take(request, Via.PIXEL, read)
        except ProblemError as refused:
            status = refused.status
            headers.update(refused.headers or {})
        return Response(PIXEL, status, headers, "image/gif")

    return router


async def _json(request: Request) -> Any:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BEACON_BYTES_MAX:
                raise BodyTooLargeError(BEACON_BYTES_MAX)
    except ClientDisconnect as error:  # pages go away, and beacons with them: no fault of ours
        raise ProblemError(HTTPStatus.BAD_REQUEST, ProblemKind.BAD_REQUEST, "the body has broken off") from error
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"the body is not JSON: {error}"
        raise ProblemError(HTTPStatus.BAD_REQUEST, ProblemKind.NOT_JSON, detail) from error
