"""A shop's web site: pages that a test writes, and whatever browsers send it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from local.ports import HOST

TELL: Final = """
const tell = async (value) => { await fetch("/told", { method: "POST", body: JSON.stringify(value) }); };
"""
"""What pages tell a test with."""


@dataclass(frozen=True)
class Page:
    """What is answered for a path."""

    content: bytes
    media_type: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """What a browser sent: to which path, with which headers (lower case), and what."""

    path: str
    headers: Mapping[str, str]
    body: Any


class WebShop:
    """A site at an address of its own."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.sent: list[Sent] = []
        self.asked: list[str] = []
        self._pages: dict[str, Page] = {}

    def put(self, path: str, page: Page) -> str:
        """Show `page` at `path`; its address."""
        self._pages[path] = page
        return f"{self.origin}{path}"

    def put_script(self, path: str, script: str, *, head: str = "", headers: Mapping[str, str] | None = None) -> str:
        """Show a page that runs `script` once all else is loaded. It may `tell` values. `headers` are the answer's."""
        content = f"""<!doctype html>
            <html><head><meta charset="utf-8"><link rel="icon" href="data:,">{head}</head>
            <body><script>{TELL} addEventListener("DOMContentLoaded", async () => {{ {script} }});</script>
            </body></html>"""
        return self.put(path, Page(content.encode(), headers=headers or {}))

    def told(self) -> list[Any]:
        """What pages told, in order."""
        return self.sent_to("/told")

    def sent_to(self, path: str) -> list[Any]:
        """The bodies that were sent to `path`, in order."""
        return [sent.body for sent in self.sent if sent.path == path]

    def page_at(self, address: str) -> Page | None:
        """What is shown there; notes that it was asked for."""
        self.asked.append(address)
        return self._pages.get(urlsplit(address).path)


@contextmanager
def open_web_shop() -> Iterator[WebShop]:
    """A shop for the length of the block."""
    server = ThreadingHTTPServer((HOST, 0), BaseHTTPRequestHandler)
    shop = WebShop(f"http://{HOST}:{server.server_port}")
    server.RequestHandlerClass = _answering(shop)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield shop
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _answering(shop: WebShop) -> Callable[..., BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = shop.page_at(self.path)
            status = HTTPStatus.NOT_FOUND if page is None else HTTPStatus.OK
            self._answer(status, page or Page(b"", "text/plain"))

        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): text for name, text in self.headers.items()}
            shop.sent.append(Sent(self.path, headers, body))
            self._answer(HTTPStatus.ACCEPTED, Page(b"", "text/plain"))

        def log_message(self, *_: object) -> None:
            """Nothing: tests ask what there is to know."""

        def _answer(self, status: HTTPStatus, page: Page) -> None:
            self.send_response(status)
            for name, text in {"Content-Type": page.media_type, "Cache-Control": "no-store", **page.headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            self.wfile.write(page.content)

    return Answering
