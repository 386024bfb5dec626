"""GET and HEAD of a code, and robots.txt."""

import time
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from http_api.openapi import LIMITED, PAGE, RETRY_AFTER, Schema
from http_api.problems import RETRY_AFTER_S
from redirector import capture
from redirector.metrics import RedirectMetrics
from redirector.pages import PAGES, ROBOTS_TXT
from redirector.redirecting import Answer, Redirector

_NEVER_KEPT: Final = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


_DOCUMENTED: Final[Schema] = {
    "status_code": HTTPStatus.FOUND,
    "response_class": Response,
    "response_description": "The link's destination.",
    "responses": {
        302: {"headers": {"Location": {"schema": {"type": "string", "format": "uri"}}}},
        404: PAGE | {"description": "There is no such link."},
        410: PAGE | {"description": "The link is disabled or expired. The click is recorded."},
        429: PAGE
        | {
            "description": "There is no such link, and too many such codes were asked for from this network.",
            "headers": LIMITED,
        },
        503: PAGE | {"description": "The code cannot be looked up now.", "headers": RETRY_AFTER},
    },
}


def redirect_routes(redirector: Redirector, metrics: RedirectMetrics) -> APIRouter:
    """The routes people click. They come last: a code is any path that is nothing else."""
    router = APIRouter(tags=["redirects"])

    @router.api_route("/robots.txt", methods=["GET", "HEAD"], include_in_schema=False)
    async def robots_txt() -> Response:
        """Crawlers are welcome: previews depend on them."""
        return PlainTextResponse(ROBOTS_TXT)

    @router.head("/{code}", operation_id="redirect_head", summary="As GET, without a body", **_DOCUMENTED)
    @router.get("/{code}", operation_id="redirect", summary="Follow a short link", **_DOCUMENTED)
    @router.api_route("/{code}/", methods=["GET", "HEAD"], include_in_schema=False)
    async def redirect(code: str, request: Request) -> Response:
        """302 to the link's destination; 404, 410, 429 and 503 are small pages. The click is journaled first."""
        started_s = time.perf_counter()
        answer = await redirector.follow(code, captured(request))
        metrics.redirects.labels(answer.status.value).inc()
        metrics.duration.observe(time.perf_counter() - started_s)
        return _response(answer)

    return router


def captured(request: Request) -> capture.Request:
    """What is looked at of a request."""
    peer = request.client.host if request.client else None
    forwarded = request.headers.getlist("x-forwarded-for")
    return capture.Request(request.method, request.headers, peer, ",".join(forwarded) if forwarded else None)


def _response(answer: Answer) -> Response:
    if answer.destination is not None:
        return Response(status_code=answer.status, headers={"Location": answer.destination, **_NEVER_KEPT})
    headers = {**_NEVER_KEPT, **answer.headers}
    if answer.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return HTMLResponse(PAGES[answer.status], answer.status, headers)
