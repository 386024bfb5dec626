"""POST, GET and DELETE /v1/keys: API keys, for admins."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from database.keys import KeyStore, LiveKey, Scope
from http_api.access import Access
from http_api.openapi import problem
from http_api.problems import ProblemKind, not_found
from http_api.texts import NO_CONTROL_CHARACTERS, in_words

KeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
    in_words(NO_CONTROL_CHARACTERS),
]


class KeyIn(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: KeyName = Field(description="What it is for, and who has it.")
    scopes: list[Scope] = Field(min_length=1)


class NewKeyOut(BaseModel):
    """A new key. It is shown this once."""

    api_key: str
    key_id: str
    name: str
    scopes: list[Scope]


class KeyOut(BaseModel):
    """A key as it is listed."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class KeysOut(BaseModel):
    """Every key, the newest first."""

    rows: list[KeyOut]


@dataclass(frozen=True, slots=True)
class KeysDesk:
    """What the endpoints below work with."""

    store: KeyStore
    access: Access


def keys_routes(desk: KeysDesk) -> APIRouter:
    """Endpoints for admins."""
    router = APIRouter(prefix="/v1", tags=["keys"])
    admin = Annotated[LiveKey, Depends(desk.access.needs(Scope.ADMIN))]

    @router.post("/keys", operation_id="create_key", summary="Make an API key", status_code=HTTPStatus.CREATED)
    async def create_key(body: KeyIn, _key: admin) -> NewKeyOut:
        """The key itself is in this answer and nowhere else."""
        scopes = list(dict.fromkeys(body.scopes))
        api_key = await desk.store.create(body.name, scopes)
        return NewKeyOut(api_key=api_key, key_id=api_key.split("_")[1], name=body.name, scopes=scopes)

    @router.get("/keys", operation_id="list_keys", summary="Every API key")
    async def list_keys(_key: admin) -> KeysOut:
        """Never their secrets."""
        return KeysOut(rows=[KeyOut(**_fields(row)) for row in await desk.store.all_keys()])

    @router.delete(
        "/keys/{key_id}",
        operation_id="revoke_key",
        summary="End an API key",
        status_code=HTTPStatus.NO_CONTENT,
        responses={404: problem(ProblemKind.NOT_FOUND, when="There is no such key.")},
    )
    async def revoke_key(key_id: str, _key: admin) -> None:
        """It stops working everywhere within seconds."""
        if not await desk.store.revoke(key_id):
            raise not_found(f"key {key_id}")

    return router


def _fields(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in KeyOut.model_fields}
