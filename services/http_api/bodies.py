"""Request bodies are bounded, whatever their headers claim."""

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from http_api.problems import ProblemError, ProblemKind, problem_response

BODY_BYTES_MAX: Final = 1_048_576
"""What any endpoint takes unless it says otherwise: a thousand rows of a kilobyte."""


class BodyTooLargeError(ProblemError):
    """A body went past its bound."""

    def __init__(self, bytes_max: int) -> None:
        detail = f"the body is larger than {bytes_max} bytes"
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ProblemKind.BODY_TOO_LARGE, detail)


class BoundedBodies:
    """ASGI middleware: a body past the bound is answered 413 and read no further.

    Paths in `unbounded` bound their bodies themselves.
    """

    def __init__(
        self, app: ASGIApp, *, bytes_max: int = BODY_BYTES_MAX, unbounded: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._unbounded = unbounded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that counts."""
        if scope["type"] != "http" or scope["path"] in self._unbounded:
            await self._app(scope, receive, send)
            return
        if _declared_bytes(scope) > self._bytes_max:
            await problem_response(BodyTooLargeError(self._bytes_max))(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise BodyTooLargeError(self._bytes_max)
            return message

        await self._app(scope, receive_bounded, send)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
