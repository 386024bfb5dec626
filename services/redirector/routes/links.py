"""Links: POST /v1/links, GET and PATCH /v1/links/{code}."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import Responses, problem
from http_api.problems import ProblemError, ProblemKind, not_found, refused_field
from http_api.texts import AdvocateIdText, CodeText
from link_events.identity import AdvocateId, Code
from redirector.codes import alias_fault, draw_code
from redirector.destinations import DestinationPolicy, DestinationRefusedError, canonical_destination
from redirector.errors import CodeTakenError, UnknownAdvocateError
from redirector.field_types import Instant, Word
from redirector.links.link import Link, LinkFields
from redirector.links.resolving import LinkResolver
from redirector.links.store import LinkChanges, LinkStore

TAGS_MAX = 32

CLICK_ID_DESCRIPTION: Final = "Whether redirects carry a click id; null: as the programme says."

NO_SUCH_LINK: Final[Responses] = {404: problem(ProblemKind.NOT_FOUND, when="There is no such link.")}


class LinkIn(BaseModel):
    """A link to be issued."""

    model_config = ConfigDict(extra="forbid")

    advocate_id: AdvocateIdText = Field(description="Who is credited, for ever.")
    destination: str = Field(description="Where the link leads: http or https, at most 2048 characters.")
    alias: str | None = Field(None, description="A code of one's own choice instead of a drawn one.")
    channel: Word | None = Field(None, description="Where it is posted: linkedin, x, mail, …")
    content_id: Word | None = Field(None, description="The post or article it belongs to.")
    category: Word | None = None
    campaign: Word | None = None
    tags: list[Word] = Field(default_factory=list, max_length=TAGS_MAX)
    expires_at: Instant | None = Field(None, description="From then on the link answers 410.")
    test: bool = Field(default=False, strict=True, description="Its clicks are kept and never counted.")
    click_id: bool | None = Field(None, description=CLICK_ID_DESCRIPTION)


class LinkPatch(BaseModel):
    """What may change of a link; fields left out stay."""

    model_config = ConfigDict(extra="forbid")

    destination: str | None = Field(None, description="A new destination; the earlier ones are kept as history.")
    expires_at: Instant | None = Field(None, description="null: never.")
    disabled: bool = Field(default=False, description="true switches the link off (410), false on again.")
    click_id: bool | None = Field(None, description=CLICK_ID_DESCRIPTION)


class LinkOut(BaseModel):
    """A link as stored."""

    link_id: int
    code: str
    short_url: str
    advocate_id: str
    destination: str
    channel: str | None
    content_id: str | None
    category: str | None
    campaign: str | None
    tags: list[str]
    test: bool
    click_id: bool | None
    expires_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """What the endpoints below work with."""

    store: LinkStore
    resolver: LinkResolver
    access: Access
    policy: DestinationPolicy
    public_url: str

    def shown(self, link: Link) -> LinkOut:
        """A link as it is answered."""
        stored = {name: getattr(link, name) for name in LinkOut.model_fields if name != "short_url"}
        return LinkOut(short_url=f"{self.public_url}/{link.code}", **stored)

    def canonical(self, destination: str) -> str:
        """The destination as stored; a refusal names the field."""
        try:
            return canonical_destination(destination, self.policy)
        except DestinationRefusedError as error:
            raise refused_field("destination", str(error)) from error


def link_routes(desk: LinkDesk) -> APIRouter:
    """Endpoints for whoever may write links."""
    router = APIRouter(prefix="/v1", tags=["links"])
    writer = Annotated[LiveKey, Depends(desk.access.needs(Scope.LINKS_WRITE))]

    @router.post(
        "/links",
        operation_id="issue_link",
        summary="Issue a short link",
        status_code=HTTPStatus.CREATED,
        responses={409: problem(ProblemKind.ALIAS_TAKEN, when="The alias belongs to another link.")},
    )
    async def issue_link(body: LinkIn, response: Response, key: writer) -> LinkOut:
        """The link, with its code and short URL. 409 where the alias belongs to another link."""
        link = await _issue(desk, body, key)
        response.headers["Location"] = f"/v1/links/{link.code}"
        return desk.shown(link)

    @router.get("/links/{code}", operation_id="get_link", summary="A link as stored", responses=NO_SUCH_LINK)
    async def get_link(code: CodeText, _key: writer) -> LinkOut:
        """404 where there is none."""
        link = await desk.store.find(Code(code))
        if link is None:
            raise not_found(f"link {code}")
        return desk.shown(link)

    @router.patch(
        "/links/{code}",
        operation_id="change_link",
        summary="Change, disable or enable a link",
        responses=NO_SUCH_LINK,
    )
    async def change_link(code: CodeText, body: LinkPatch, key: writer) -> LinkOut:
        """A link keeps its code and its advocate for ever; everything else that changes is kept as history."""
        changes = LinkChanges(
            given=frozenset(body.model_fields_set),
            destination=desk.canonical(body.destination) if body.destination is not None else None,
            expires_at=body.expires_at,
            disabled=body.disabled,
            click_id=body.click_id,
        )
        link = await desk.store.change(Code(code), changes, datetime.now(UTC), key.key_id)
        if link is None:
            raise not_found(f"link {code}")
        desk.resolver.was_changed(link)
        return desk.shown(link)

    return router


async def _issue(desk: LinkDesk, body: LinkIn, key: LiveKey) -> Link:
    fields = LinkFields(
        advocate_id=AdvocateId(body.advocate_id),
        destination=desk.canonical(body.destination),
        channel=body.channel,
        content_id=body.content_id,
        category=body.category,
        campaign=body.campaign,
        tags=_unique(body.tags),
        expires_at=body.expires_at,
        test=body.test,
        click_id=body.click_id,
    )
    alias = body.alias
    if alias is not None and (fault := alias_fault(alias)) is not None:
        raise refused_field("alias", fault)
    try:
        link = await desk.store.issue(
            fields,
            lambda: Code(alias) if alias is not None else draw_code(secrets.randbelow),
            alias=alias is not None,
            actor=key.key_id,
        )
    except UnknownAdvocateError as error:
        raise refused_field("advocate_id", str(error)) from error
    except CodeTakenError as error:
        raise ProblemError(HTTPStatus.CONFLICT, ProblemKind.ALIAS_TAKEN, f"alias: {error}") from error
    desk.resolver.was_issued(link)
    return link


def _unique(tags: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
