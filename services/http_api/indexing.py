"""No answer of the public port is for search engines: links lead there by their destination, not by our address."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class NeverIndexed:
    """ASGI middleware: `X-Robots-Tag: noindex` on every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `send` that adds the header."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-robots-tag", b"noindex")]
            await send(message)

        await self._app(scope, receive, send_marked)
