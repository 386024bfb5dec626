"""A service on its two ports: what it is for on the public one, what it tells operators on the management one."""

from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from http_api.management import Readiness, management_app
from http_api.serving import Binding, Failures, serve
from http_api.settings import ServiceSettings


class RunningService(Protocol):
    """What a service is, once it runs. `stopping` is set as soon as it is told to stop."""

    stopping: bool

    @property
    def public(self) -> ASGIApp:
        """The public port's app."""

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    async def readiness(self) -> Readiness:
        """Whether it may be sent work."""

    async def refresh_metrics(self) -> None:
        """Bring gauges that cost something to know up to date."""


async def serve_both(service: RunningService, settings: ServiceSettings, failures: Failures) -> None:
    """Serve until a stop signal or a failure."""

    def stop() -> None:
        service.stopping = True

    await serve(
        Binding(service.public, settings.host, settings.port),
        Binding(
            management_app(service.registry, service.readiness, service.refresh_metrics),
            settings.management_host,
            settings.management_port,
        ),
        failures,
        stop,
    )
