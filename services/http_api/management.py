"""The management port: is it alive, is it ready, what do its metrics say. For operators, never for the public."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass(frozen=True, slots=True)
class Readiness:
    """What must hold for a service to be sent work, and what is only worth knowing.

    `needed` decides; `known` reports dependencies that the service outlives.
    """

    needed: Mapping[str, bool]
    known: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        """Whether everything needed holds."""
        return all(self.needed.values())


def management_app(
    registry: CollectorRegistry,
    readiness: Callable[[], Awaitable[Readiness]],
    before_metrics: Callable[[], Awaitable[None]],
) -> FastAPI:
    """The management port's app. `before_metrics` refreshes gauges that cost something to know."""

    async def exposition() -> bytes:
        await before_metrics()
        return generate_latest(registry)

    return answering_app(readiness, exposition)


def answering_app(readiness: Callable[[], Awaitable[Readiness]], exposition: Callable[[], Awaitable[bytes]]) -> FastAPI:
    """The same, of metrics that are in Prometheus's text format already."""
    app = FastAPI(title="advolink management", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> Response:
        """The event loop turns."""
        return Response("alive\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        """200 where the service may be sent work, else 503; either way with what it is made of."""
        state = await readiness()
        body = {"ready": state.ready, "needed": dict(state.needed), "known": dict(state.known)}
        status = HTTPStatus.OK if state.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(orjson.dumps(body), status.value, media_type="application/json")

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus's text format."""
        return Response(await exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return app
