"""An advocate's own clicks: POST /v1/advocates/{id}/self-link, and GET /v1/self, to which such a link leads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import PAGE, RETRY_AFTER, Schema, problem
from http_api.problems import RETRY_AFTER_S, ProblemKind, away, not_found
from http_api.texts import AdvocateIdText
from link_events.identity import AdvocateId
from link_events.signing import Purpose
from redirector.links.store import LinkStore
from redirector.pages import PAGES, SELF_LINK_REFUSED, marked_page
from redirector.self_clicks.own_clicks import COOKIE_LIFE, COOKIE_NAME, TOKEN_LIFE, OwnClicks
from redirector.self_clicks.proofs import ProofOutcome, sign_proof, verify_proof

_NEVER_KEPT: Final = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
"""The address of the page is good for a few minutes: it is told to nobody."""

_COOKIE: Final[Schema] = {"Set-Cookie": {"description": f"`{COOKIE_NAME}`.", "schema": {"type": "string"}}}


class SelfLinkOut(BaseModel):
    """A link for the advocate to open in their own browser, once in each."""

    url: str
    expires_at: datetime = Field(description="From then on it opens nothing.")


@dataclass(frozen=True, slots=True)
class SelfDesk:
    """What the endpoints below work with."""

    store: LinkStore
    access: Access
    own_clicks: OwnClicks
    public_url: str

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https, and may keep the cookie to that."""
        return urlsplit(self.public_url).scheme == "https"


def self_routes(desk: SelfDesk) -> APIRouter:
    """One endpoint for the portal where advocates are signed in, and the page that they see."""
    router = APIRouter(prefix="/v1", tags=["self links"])
    writer = Annotated[LiveKey, Depends(desk.access.needs(Scope.LINKS_WRITE))]

    @router.post(
        "/advocates/{advocate_id}/self-link",
        operation_id="make_self_link",
        summary="A link that marks an advocate's own browser",
        status_code=HTTPStatus.CREATED,
        responses={404: problem(ProblemKind.NOT_FOUND, when="There is no such advocate.")},
    )
    async def make_self_link(advocate_id: AdvocateIdText, _key: writer) -> SelfLinkOut:
        """Show it to the advocate alone. Whoever opens it is taken for them on their links, and on no other."""
        if not await desk.store.has_advocate(AdvocateId(advocate_id)):
            raise not_found(f"advocate {advocate_id}")
        ring = desk.own_clicks.ring
        if ring is None:
            raise away("the signing key")
        expires_at = (datetime.now(UTC) + TOKEN_LIFE).replace(microsecond=0)
        token = sign_proof(ring, Purpose.SELF_LINK, AdvocateId(advocate_id), expires_at)
        return SelfLinkOut(url=f"{desk.public_url}/v1/self?token={token}", expires_at=expires_at)

    @router.get(
        "/self",
        operation_id="mark_browser",
        summary="Mark this browser as an advocate's own",
        response_class=HTMLResponse,
        responses={
            200: {"headers": _COOKIE},
            400: PAGE | {"description": "The token is none of ours. No cookie is set."},
            410: PAGE | {"description": "The token's time is over. No cookie is set."},
            503: PAGE | {"description": "No signing key was heard of yet.", "headers": RETRY_AFTER},
        },
    )
    async def mark_browser(token: Annotated[str, Query(description="As the link has it.")] = "") -> Response:
        """A small page says what the cookie is for."""
        ring, now = desk.own_clicks.ring, datetime.now(UTC)
        if ring is None:
            headers = _NEVER_KEPT | {"Retry-After": str(RETRY_AFTER_S)}
            return HTMLResponse(PAGES[HTTPStatus.SERVICE_UNAVAILABLE], HTTPStatus.SERVICE_UNAVAILABLE, headers)
        proof = verify_proof(token, ring, Purpose.SELF_LINK, now)
        if proof.advocate_id is None:
            late = proof.outcome is ProofOutcome.EXPIRED
            return HTMLResponse(SELF_LINK_REFUSED, HTTPStatus.GONE if late else HTTPStatus.BAD_REQUEST, _NEVER_KEPT)
        answer = HTMLResponse(marked_page(proof.advocate_id), headers=_NEVER_KEPT)
        answer.set_cookie(
            COOKIE_NAME,
            sign_proof(ring, Purpose.SELF_COOKIE, proof.advocate_id, now + COOKIE_LIFE),
            max_age=int(COOKIE_LIFE.total_seconds()),
            path="/",
            secure=desk.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    return router
