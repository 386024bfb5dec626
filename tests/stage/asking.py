"""Asking an app over HTTP without a server between: what a caller sees, header by header."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI


@asynccontextmanager
async def asked(app: FastAPI, api_key: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `app`, with a key unless told otherwise. What fails inside is answered, as a server answers it."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx2.AsyncClient(transport=transport, base_url="http://advolink.test", headers=headers) as client:
        yield client


def fields_at_fault(answer: httpx2.Response) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in answer.json().get("errors", [])]
