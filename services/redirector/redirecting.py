"""The way of a click through the redirector: code, link, state, journal, answer.

A redirect depends on memory and its own disk. Postgres is asked only for a code that is not in memory; when it is away
the answer to such a code is 503, never 404. A network that asks for many that are surely none is answered 429 to
those, and to nothing else.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from link_events.click_ids import utc_day_of
from link_events.events import Click
from link_events.identity import Origin
from link_events.reasons import LinkState
from redirector.capture import Request, capture_click
from redirector.finding import LinkFinder
from redirector.journal.journal import JournalFullError
from redirector.links.link import Link
from redirector.metrics import RedirectMetrics, Unknown
from redirector.recording import Recorder
from redirector.self_clicks.own_clicks import OwnClicks
from redirector.settings import FullPolicy
from redirector.signing.click_ids import ClickIds
from redirector.visitors.client import Identify

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request for a code is answered with. Only a 302 has a destination."""

    status: HTTPStatus
    destination: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those of every answer."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A click in the journal, and the UTC day it occurred on (`utc_day_of`)."""

    origin: Origin
    utc_day: int


class Redirector:
    """Answers requests for codes."""

    def __init__(
        self,
        finder: LinkFinder,
        recorder: Recorder,
        *,
        click_ids: ClickIds,
        identify: Identify,
        own_clicks: OwnClicks,
        full_policy: FullPolicy,
        metrics: RedirectMetrics,
    ) -> None:
        self._finder = finder
        self._unknown = {
            Unknown.ABSENT: Answer(HTTPStatus.NOT_FOUND),
            Unknown.NO_CODE: Answer(HTTPStatus.NOT_FOUND),
            Unknown.LIMITED: Answer(HTTPStatus.TOO_MANY_REQUESTS, headers=finder.limits.headers),
            Unknown.UNSURE: Answer(HTTPStatus.SERVICE_UNAVAILABLE),
        }
        self._recorder = recorder
        self._click_ids = click_ids
        self._identify = identify
        self._own_clicks = own_clicks
        self._full_policy = full_policy
        self._metrics = metrics

    async def follow(self, code: str, request: Request) -> Answer:
        """Find out what to answer, and record the click if there is a link."""
        link = await self._finder.find(code, request)
        if isinstance(link, Unknown):
            return self._unknown[link]
        state = link.state_at(datetime.now(UTC))
        try:
            recorded = await self._record(link, state, request)
        except JournalFullError as error:
            if self._full_policy is FullPolicy.REFUSE:
                return Answer(HTTPStatus.SERVICE_UNAVAILABLE)
            self._metrics.unrecorded.inc()
            log.error("a click on %s is redirected unrecorded: %s", link.code, error)  # noqa: TRY400 - no news in a trace
            recorded = None
        if state is not LinkState.ACTIVE:
            return Answer(HTTPStatus.GONE)
        return Answer(HTTPStatus.FOUND, self._destination(link, recorded))

    async def _record(self, link: Link, state: LinkState, request: Request) -> Recorded:
        """Have the click in the journal.

        Raises:
            JournalFullError: it could not be written.
        """
        utc_day = 0

        def make_click(occurred_at: datetime) -> Click:
            nonlocal utc_day
            utc_day = utc_day_of(occurred_at)
            own = self._own_clicks.is_own(request.headers.get("cookie"), link.advocate_id, occurred_at)
            return capture_click(request, link, state, occurred_at, self._identify, self_click=own)

        return Recorded(await self._recorder.record(link.advocate_id, make_click), utc_day)

    def _destination(self, link: Link, recorded: Recorded | None) -> str:
        """Where the link leads, with the id of the click: there is none of a click that is nowhere."""
        around = None if recorded is None else self._click_ids.around(link)
        if recorded is None or around is None:
            return link.destination
        click_id = self._click_ids.issue(recorded.origin.partition, recorded.origin.seq, recorded.utc_day)
        return link.destination if click_id is None else click_id.join(around)
