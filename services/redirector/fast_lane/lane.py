"""What the connections of a process share: who asked in this tick of the event loop, and how all are answered.

A tick's clicks go into the journal in one write. Only then, and at level `disk` after its sync, are their requests
answered, together. Nothing here waits for anything else: what is not in memory is not for the lane, but for codes that
are surely no link (`unknown`).
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from link_events.click_ids import utc_day_of
from link_events.identity import Code, Seq
from link_events.streams import Stream
from redirector.fast_lane.answers import TURNED_AWAY, beginning, redirection
from redirector.fast_lane.asker import Asker
from redirector.fast_lane.heads import Head, Heads
from redirector.fast_lane.prepared import PreparedLink, Preparing
from redirector.fast_lane.templates import client_part, instant_text
from redirector.fast_lane.unknown import UnknownCodes
from redirector.finding import LinkFinder
from redirector.journal.frames import frame_header, microseconds
from redirector.journal.journal import Journal, JournalFullError, utc_now
from redirector.journal.segments import Slice
from redirector.links.memory import LinkMemory
from redirector.metrics import RedirectMetrics
from redirector.settings import FullPolicy
from redirector.signing.click_ids import ClickIds
from redirector.visitors.clients import Clients

log = logging.getLogger(__name__)

_BEFORE_TARGET: Final = b"GET /"
_BEHIND_TARGET: Final = b" HTTP/1.1"
_TARGET: Final = slice(len(_BEFORE_TARGET), None)

_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
"""A query of RFC 3986. It says nothing here, and is only to be harmless."""

_CLICKS: Final = Stream.CLICKS.number
_FIRST: Final = Seq(1)


Asked = tuple[Asker, PreparedLink, Head, str]
"""A request that waits for its answer: who asks, for what, what its head says, and its X-Forwarded-For. A plain tuple,
for one is made for every request."""


class Tick:
    """The requests that one look at the sockets brought; they came at one instant."""

    __slots__ = ("asked", "instant", "seqs", "started_s")

    def __init__(self, instant: datetime, started_s: float) -> None:
        self.instant = instant
        self.started_s = started_s
        self.asked: list[Asked] = []
        self.seqs: list[Seq] = []
        """Those of their clicks, once these are packed."""

    def pack(self, clients: Clients, next_seqs: dict[Slice, Seq], captured_at: datetime) -> list[bytes]:
        """The frames of the clicks."""
        occurred, captured = instant_text(self.instant), instant_text(captured_at)
        captured_us = microseconds(captured_at)
        day, identify = clients.day_of(self.instant), clients.identify_on
        frames: list[bytes] = []
        seqs = self.seqs
        for asker, link, head, forwarded_for in self.asked:
            client = identify(day, asker.peer, forwarded_for or None, head.agent)
            slice_, parts = link.slice_, link.parts
            seq = next_seqs.get(slice_, _FIRST)
            next_seqs[slice_] = seq + 1  # type: ignore[assignment]  # a NewType is a call
            seqs.append(seq)
            payload = (
                f"{parts.before_seq}{seq}{parts.before_time}{captured}{parts.before_occurred}{occurred}"
                f"{parts.before_request}{head.part}{client_part(client)}{parts.last}"
            ).encode()
            frames += (frame_header(_CLICKS, slice_[1], seq, captured_us, payload), payload)
        return frames


class FastLane:
    """Answers plain requests for links in memory."""

    def __init__(
        self,
        memory: LinkMemory,
        finder: LinkFinder,
        preparing: Preparing,
        journal: Journal,
        *,
        clients: Clients,
        click_ids: ClickIds,
        full_policy: FullPolicy,
        metrics: RedirectMetrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._kept = memory.kept
        self._prepared = preparing.prepared
        heads = Heads()
        self._read_head = heads.read
        self._unknown = UnknownCodes(finder, heads, metrics)
        self._journal = journal
        self._clients = clients
        self._click_ids = click_ids
        self._full_policy = full_policy
        self._metrics = metrics
        self._now = now
        self._tick: Tick | None = None
        self._loop = asyncio.get_running_loop()

    def ask(self, asker: Asker, request: bytes) -> bool:
        """Take a request, which ends as a head does and is then answered for certain; False where it is not for us."""
        request_line, _, rest = request.partition(_BEHIND_TARGET)
        if not (rest and request_line.startswith(_BEFORE_TARGET)):
            return False
        target = request_line[_TARGET].decode("latin-1")
        kept = self._kept(Code(target))
        if kept is None:
            path, _, query = target.partition("?")
            code = Code(path)
            if not _QUERY.fullmatch(query):
                return False
            kept = self._kept(code)
            if kept is None:
                return self._unknown.ask(asker, code, request, rest)
        link = self._prepared(kept)
        told = self._read_head(rest)
        if link is None or told is None or (link.expires_at is not None and link.expires_at <= self._now()):
            return False
        tick = self._tick or self._begin_tick()
        tick.asked.append((asker, link, *told))
        return True

    def _begin_tick(self) -> Tick:
        """What one look at the sockets brings came at one instant."""
        self._tick = Tick(self._now(), time.perf_counter())
        self._loop.call_soon(self._end_tick)
        return self._tick

    def _end_tick(self) -> None:
        tick, self._tick = self._tick, None
        if tick is None:
            return
        try:
            self._journal.append_together(tick.instant, partial(tick.pack, self._clients), partial(self._answer, tick))
        except Exception:
            for asker, *_ in tick.asked:
                asker.give_up()
            raise

    def _answer(self, tick: Tick, error: JournalFullError | None) -> None:
        """Answer those whose clicks are in the journal, or could not be put there."""
        status = HTTPStatus.FOUND
        if error is not None and self._full_policy is FullPolicy.REFUSE:
            status = HTTPStatus.SERVICE_UNAVAILABLE
        elif error is not None:
            self._metrics.unrecorded.inc(len(tick.asked))
            log.error("%d clicks are redirected unrecorded: %s", len(tick.asked), error)
        self._metrics.redirects.labels(status.value).inc(len(tick.asked))
        self._metrics.duration.observe(time.perf_counter() - tick.started_s, len(tick.asked))
        begin = beginning(status, tick.asked[0][0].server_headers)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            rest, page = TURNED_AWAY
            for asker, _, head, _ in tick.asked:
                asker.answer(f"{begin}{rest}".encode(), page, closes=head.closes)
        else:
            self._redirect(tick, begin, recorded=error is None)

    def _redirect(self, tick: Tick, begin: str, *, recorded: bool) -> None:
        """Send everybody where the links lead, with the ids of the clicks: there is none of a click that is nowhere."""
        utc_day, issue = utc_day_of(tick.instant), self._click_ids.issue
        for (asker, link, head, _), seq in zip(tick.asked, tick.seqs, strict=True):
            around = link.around_click_id
            click_id = issue(link.slice_[1], seq, utc_day) if recorded and around is not None else None
            if around is None or click_id is None:
                answer = f"{begin}{redirection(link.destination)}"
            else:
                answer = f"{begin}{around[0]}{click_id}{around[1]}"
            asker.answer(answer.encode(), b"", closes=head.closes)
