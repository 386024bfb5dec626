"""One process answers for another on the same machine: what belongs there is handed on, the answer handed back.

Both sides are streamed: a body is never held as a whole.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from http_api.problems import away, problem_response

CONNECT_SECONDS_MAX: Final = 2.0
"""The other process answers at once, or is just starting again. How long it then takes is its own affair."""

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"expect"})


class Forwarded:
    """ASGI: requests for `path`, and below it, go to the process behind the Unix socket; others to `app`.

    `what` names that process in the 503 that is answered while it is away.
    """

    def __init__(self, app: ASGIApp, path: str, socket: Path, what: str) -> None:
        self._app = app
        self._path = path
        self._what = what
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS_MAX)
        self._there = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(socket)), base_url="http://there", timeout=timeout
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what belongs there."""
        if not is_below(scope, self._path):
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._there.send(self._request(scope, receive), stream=True)
        except _GoneError:
            return
        except httpx2.TransportError:
            await problem_response(away(self._what))(scope, receive, send)
            return
        try:
            await send(
                {"type": "http.response.start", "status": answer.status_code, "headers": _kept(answer.headers.raw)}
            )
            async for part in answer.aiter_raw():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Close the connections to that process."""
        await self._there.aclose()

    def _request(self, scope: Scope, receive: Receive) -> httpx2.Request:
        names = {name for name, _ in scope["headers"]}
        has_body = bool(names & {b"content-length", b"transfer-encoding"})
        target = httpx2.URL(
            "http://there",
            raw_path=scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""),
        )
        content = _body(receive) if has_body else None
        return self._there.build_request(scope["method"], target, headers=_kept(scope["headers"]), content=content)


class OneMore:
    """ASGI: requests for `path`, and below it, go to `other`; the rest to `app`."""

    def __init__(self, app: ASGIApp, path: str, other: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose by path."""
        await (self._other if is_below(scope, self._path) else self._app)(scope, receive, send)


def is_below(scope: Scope, path: str) -> bool:
    """Whether a request is for `path` or anything below it."""
    asked: str = scope.get("path", "")
    return scope["type"] == "http" and (asked == path or asked.startswith(f"{path}/"))


class _GoneError(Exception):
    """Whoever asked has hung up before all of the body was here."""


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        if part := message.get("body", b""):
            yield part
        if not message.get("more_body", False):
            return


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Those that are not about the connection they came on."""
    return [(name, value) for name, value in headers if name.lower() not in _OF_THE_CONNECTION]
