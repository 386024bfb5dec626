"""Redirectors for tests: the real app on a real Postgres and a real journal, asked without a socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from http_api.management import management_app
from http_api.serving import Failures
from link_events.click_ids import ClickIdOutcome, verify_click_id
from link_events.events import Click
from redirector.app import Service, running
from redirector.settings import RedirectorSettings
from stage.click_ids import split_location
from stage.events import BROWSER
from stage.journals import clicks_in
from stage.waiting import eventually_async

PUBLIC_URL: Final = "https://go.example.com"
DESTINATION: Final = "https://www.example.com/"


@dataclass
class RunningRedirector:
    """One redirector and how it is asked."""

    service: Service
    client: httpx2.AsyncClient
    management: httpx2.AsyncClient
    key: str
    clicks_seen: int = 0

    def new_clicks(self) -> list[Click]:
        """The live clicks that came into its journal since this was last asked."""
        clicks = clicks_in(self.journal_directory)
        new = clicks[self.clicks_seen :]
        self.clicks_seen = len(clicks)
        return new

    async def shipped(self) -> None:
        """Wait until the log has taken everything that was journaled so far."""
        await eventually_async(self._has_shipped, what="everything is shipped")

    async def _has_shipped(self) -> bool:
        return self.service.shipments.unacked_events() == 0

    @property
    def journal_directory(self) -> Path:
        """The journal its live clicks go to."""
        return self.service.own.journal.directory

    async def ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Ask the API with the key."""
        headers = {"Authorization": f"Bearer {self.key}", **request.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **request)

    async def put_advocate(self, advocate_id: str = "ada") -> None:
        """Make an advocate."""
        (await self.ask("PUT", f"/v1/advocates/{advocate_id}", json={})).raise_for_status()

    async def issue(self, advocate_id: str = "ada", destination: str = DESTINATION, **fields: Any) -> dict[str, Any]:
        """Issue a link, for an advocate who is made where there is none, and have it in memory."""
        await eventually_async(self.knows_postgres, what="the links' changes are followed")
        await eventually_async(self.signs, what="there is a signing key")
        await self.put_advocate(advocate_id)
        body = {"advocate_id": advocate_id, "destination": destination, **fields}
        answer = await self.ask("POST", "/v1/links", json=body)
        answer.raise_for_status()
        link: dict[str, Any] = answer.json()
        return link

    async def change(self, code: str, **fields: Any) -> None:
        """Change a link."""
        (await self.ask("PATCH", f"/v1/links/{code}", json=fields)).raise_for_status()

    async def click(self, code: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Ask for a link as a browser does."""
        return await self.client.request(method, f"/{code}", headers={"User-Agent": BROWSER, **(headers or {})})

    def led_to(self, answer: httpx2.Response) -> str:
        """Where `answer` leads, without its click id, which has to be valid."""
        destination, click_id = split_location(answer.headers["location"])
        ring = self.service.keys.ring
        assert ring is not None
        assert verify_click_id(click_id, ring.secrets).outcome is ClickIdOutcome.VALID
        return destination

    async def import_file(self, content: bytes, line_format: str = "bitly") -> httpx2.Response:
        """Import a file."""
        return await self.ask("POST", "/v1/clicks/import", params={"format": line_format}, content=content)

    async def metric(self, name: str) -> float:
        """The value of a metric without labels, as Prometheus would read it."""
        text = (await self.management.get("/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    async def knows_postgres(self) -> bool:
        """Whether /readyz says that Postgres is there."""
        told: bool = (await self.management.get("/readyz")).json()["known"]["postgres"]
        return told

    async def signs(self) -> bool:
        """Whether it knows a signing key."""
        told: bool = (await self.management.get("/readyz")).json()["known"]["signing_key"]
        return told

    async def ready(self) -> bool:
        """What /readyz says."""
        return (await self.management.get("/readyz")).is_success


@asynccontextmanager
async def running_redirector(dsn: str, journals: Path, key: str, **settings: Any) -> AsyncIterator[RunningRedirector]:
    """A redirector for the length of the block. A task of it that fails fails the block."""
    chosen = RedirectorSettings.model_validate(
        {"ADVOLINK_POSTGRES_DSN": dsn, "journal_dir": journals, "public_url": PUBLIC_URL, **settings}
    )
    failures = Failures()
    async with running(chosen, failures) as service:
        management = management_app(service.metrics.registry, service.readiness, service.refresh_metrics)
        async with _client(service.public) as client, _client(management) as management_client:
            yield RunningRedirector(service, client, management_client, key)
    failures.raise_first()


def _client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL)
