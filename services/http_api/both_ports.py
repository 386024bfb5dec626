"""A service in its two places: what it is for in the public one, what it tells operators in the management one."""

from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from http_api.forwarding import OneMore
from http_api.listening import Address
from http_api.management import Readiness, management_app
from http_api.serving import Binding, Failures, serve
from http_api.stop_signals import StopSignals


class RunningService(Protocol):
    """What a service is, once it runs. `stopping` is set as soon as it is told to stop."""

    stopping: bool

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    async def readiness(self) -> Readiness:
        """Whether it may be sent work."""

    async def refresh_metrics(self) -> None:
        """Bring gauges that cost something to know up to date."""


async def serve_both(
    service: RunningService,
    public: Binding,
    management: Address,
    failures: Failures,
    stop: StopSignals,
    *,
    also: tuple[str, ASGIApp] | None = None,
) -> None:
    """Serve until a stop signal or a failure. `also` is a path that the management place answers too, and by whom."""

    def on_stop() -> None:
        service.stopping = True

    app: ASGIApp = management_app(service.registry, service.readiness, service.refresh_metrics)
    if also is not None:
        app = OneMore(app, *also)
    await serve(public, Binding(app, management), failures, on_stop, stop)
