"""Every metric of the redirector: name, unit, labels and meaning in one place. docs/operations.md lists them."""

import collections
from collections.abc import Iterable
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from link_events.reasons import Via
from redirector.conversions.answers import Answer
from redirector.durations import Durations

TURNED_AWAY: Final = HTTPStatus.SERVICE_UNAVAILABLE


class Unknown(StrEnum):
    """What a code that is not known comes to."""

    ABSENT = "absent"
    """There is no such link: 404."""
    NO_CODE = "no_code"
    """It cannot be one, like `favicon.ico`: 404, and nobody was asked."""
    LIMITED = "limited"
    """It is surely none that is older than a second, and its network asks for too many: 429, and nobody was asked."""
    UNSURE = "unsure"
    """Postgres could not be asked: 503."""


class TurnedAway(StrEnum):
    """Why a request that reports something is answered 503."""

    KEY_AWAY = "key_away"
    """A key is missing that it needs."""
    JOURNAL_FULL = "journal_full"
    """Not all of it could be journaled."""


class RedirectMetrics:
    """What becomes of requests for links."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.redirects = Counter(
            "advolink_redirects", "Requests for a code, by the status answered.", ["status"], registry=registry
        )
        self.redirects.labels(TURNED_AWAY.value)  # is 0 from the start: Prometheus sees no increase in what begins at 1
        self.duration = Durations(
            "advolink_redirect_duration_seconds",
            "From a request for a code to its answer, the journal's write included.",
            (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 3),
            registry,
        )
        self.unrecorded = Counter(
            "advolink_clicks_unrecorded",
            "Clicks that were redirected although the journal could not take them. Must stay 0.",
            registry=registry,
        )
        self.click_ids_missing = Counter(
            "advolink_click_ids_missing",
            "Redirects that had to do without a click id, for no signing key was ever heard of. Must stay 0.",
            registry=registry,
        )
        unknown_codes = Counter(
            "advolink_unknown_codes",
            "Requests for a code that is not known, by what they came to.",
            ["outcome"],
            registry=registry,
        )
        self.unknown_codes = {outcome: unknown_codes.labels(outcome) for outcome in Unknown}
        self.known_codes = Gauge(
            "advolink_known_codes",
            "Codes known to be links, nearly; 0 while they are read after a start or a failover.",
            registry=registry,
        )
        self.networks_limited = Gauge(
            "advolink_networks_limited", "Networks that may ask for no unknown code now.", registry=registry
        )
        self.links_in_memory = Gauge(
            "advolink_links_in_memory", "Links that redirect without Postgres.", registry=registry
        )


class BrowserMetrics:
    """Conversions that browsers report."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reports = Counter(
            "advolink_browser_reports",
            "Conversions that browsers reported, by how and by the status answered.",
            ["via", "status"],
            registry=registry,
        )
        for via in (Via.PIXEL, Via.SCRIPT):  # are 0 from the start
            for status in (HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS, TURNED_AWAY):
                self._reports.labels(via, status.value)

    def count(self, via: Via, status: HTTPStatus) -> None:
        """One was reported, and answered with `status`."""
        self._reports.labels(via, status.value).inc()


class ConnectionMetrics:
    """Connections to the public port."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("advolink_connections", "Open connections to the public port.", registry=registry)
        self.refused = Counter(
            "advolink_connections_refused",
            "Connections answered 503 and closed, because as many were open as there may be.",
            registry=registry,
        )


class VisitorMetrics:
    """How well clients are told apart."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.unresolved = Counter(
            "advolink_clicks_unresolved",
            "Clicks without a visitor: a trusted proxy did not say, or not readably, whom it asked for.",
            registry=registry,
        )
        self.forwarded_by_strangers = Counter(
            "advolink_clicks_forwarded_by_strangers",
            "Clicks with an X-Forwarded-For that was not heard, for its peer is no trusted proxy.",
            registry=registry,
        )
        self.salt_days_ahead = Gauge(
            "advolink_visitor_salt_days_ahead", "Days after today that have their shared salts (2).", registry=registry
        )
        self.salt_local = Gauge(
            "advolink_visitor_salt_local", "1 while today's salt is this redirector's own, else 0.", registry=registry
        )


class AnswersGiven:
    """Rows of one kind that were reported, by what was answered."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        counter = Counter(name, documentation, ["answer"], registry=registry)
        self._counts = {answer: counter.labels(answer) for answer in Answer}  # are 0 from the start

    def note(self, answers: Iterable[Answer]) -> None:
        """So many rows were answered so."""
        for answer, count in collections.Counter(answers).items():
            self._counts[answer].inc(count)


class IntakeMetrics:
    """What becomes of rows that are reported."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.conversions = AnswersGiven(
            "advolink_conversions_received", "Conversions that were reported, by what was answered.", registry
        )
        self.reversals = AnswersGiven(
            "advolink_reversals_received", "Reversals that were reported, by what was answered.", registry
        )
        self.activities = AnswersGiven(
            "advolink_activities_received", "Activities that were reported, by what was answered.", registry
        )
        turned_away = Counter(
            "advolink_reports_turned_away",
            "Requests that report something and were answered 503, by why. They have to be sent again.",
            ["why"],
            registry=registry,
        )
        self.turned_away = {why: turned_away.labels(why) for why in TurnedAway}


class JournalMetrics:
    """What the journals of this process hold."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bytes = Gauge("advolink_journal_bytes", "Bytes that journal segments take on the disk.", registry=registry)
        self.fill_ratio = Gauge(
            "advolink_journal_fill_ratio",
            "How much of its cap the fullest journal needs for what may not go: not shipped yet, or being written"
            " (0 to 1).",
            registry=registry,
        )
        self.unacked_events = Gauge(
            "advolink_journal_unacked_events", "Events journaled and not yet taken by the event log.", registry=registry
        )
        self.sync_failures = Gauge(
            "advolink_journal_sync_failures", "Segments that could not be synced since the start.", registry=registry
        )
        self.full = Gauge("advolink_journal_full", "1 while the journal takes no events, else 0.", registry=registry)


class ShippingMetrics:
    """What leaves the journals for the event log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.shipped = Counter(
            "advolink_shipped_events", "Events the event log has taken, by stream.", ["stream"], registry=registry
        )
        self.failures = Counter(
            "advolink_shipping_failures", "Times shipping broke off and began again.", registry=registry
        )
        self.rewinds = Counter(
            "advolink_shipping_rewinds", "Times the event log had lost what it had taken.", registry=registry
        )
        self.damaged_bytes = Counter(
            "advolink_journal_damaged_bytes",
            "Bytes of segments that were no frames and were skipped.",
            registry=registry,
        )
        self.connected = Gauge(
            "advolink_event_log_connected", "1 while every journal of this process is being shipped.", registry=registry
        )


class RedirectorMetrics:
    """All of the above, in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.redirect = RedirectMetrics(self.registry)
        self.browsers = BrowserMetrics(self.registry)
        self.connections = ConnectionMetrics(self.registry)
        self.visitors = VisitorMetrics(self.registry)
        self.intake = IntakeMetrics(self.registry)
        self.journal = JournalMetrics(self.registry)
        self.shipping = ShippingMetrics(self.registry)


class WorkerMetrics:
    """What the parent of several workers knows of them."""

    def __init__(self, count: int = 1) -> None:
        self.registry = CollectorRegistry()
        self.up = Gauge(
            "advolink_worker_up", "1 where the worker answers its parent, else 0.", ["worker"], registry=self.registry
        )
        self.deaths = Counter(
            "advolink_worker_deaths",
            "Times the worker ended and was started again.",
            ["worker"],
            registry=self.registry,
        )
        self._noted = dict.fromkeys(range(1, count + 1), 0)
        for number in self._noted:
            self.deaths.labels(number)

    def note_deaths(self, worker: int, deaths: int) -> None:
        """A worker has ended so many times."""
        self.deaths.labels(worker).inc(deaths - self._noted[worker])
        self._noted[worker] = deaths

    def exposition(self) -> str:
        """The above in Prometheus's text format."""
        return generate_latest(self.registry).decode()
