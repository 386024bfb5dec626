"""A click log replayed as the requests it once was, with the fate of each kept."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2

from stage.api import Api
from stage.click_log import ClickLine
from stage.waiting import eventually_async

REQUESTS_AT_ONCE = 16
ANSWER_SECONDS_MAX = 60
"""A redirector that was killed is back long before."""


@dataclass
class Fates:
    """By advocate: answered with a redirect, and sent without an answer ever being seen."""

    accepted: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    @property
    def settled(self) -> int:
        """Requests whose fate is known or never will be."""
        return self.accepted.total() + self.unseen.total()

    def explain(self, raw: Counter[str]) -> list[str]:
        """What breaks accepted ≤ raw ≤ accepted + unseen; nothing where it holds."""
        return [
            f"{name}: accepted {self.accepted[name]}, raw {raw[name]}, unseen {self.unseen[name]}"
            for name in sorted({*self.accepted, *self.unseen, *raw})
            if not self.accepted[name] <= raw[name] <= self.accepted[name] + self.unseen[name]
        ]


def issue_links(api: Api, lines: Iterable[ClickLine]) -> None:
    """The advocates and links of a log, codes as aliases."""
    links = {line.code: line for line in lines}
    for advocate_id in sorted({line.advocate_id for line in links.values()}):
        api.redirector.put(f"/v1/advocates/{advocate_id}", json={}).raise_for_status()
    for code, line in links.items():
        api.issue({"advocate_id": line.advocate_id, "destination": line.destination, "alias": code})


async def replay(
    redirector_url: str, lines: Sequence[ClickLine], fates: Fates, on_settled: Callable[[], None] = lambda: None
) -> None:
    """Send every line once, some at a time; a connection that is refused was no request and is tried again."""
    queue = list(reversed(lines))
    limits = httpx2.Limits(max_connections=REQUESTS_AT_ONCE)
    async with httpx2.AsyncClient(base_url=redirector_url, limits=limits, timeout=20) as client:

        async def send_some() -> None:
            while queue:
                await _send(client, queue.pop(), fates)
                on_settled()

        await asyncio.gather(*(send_some() for _ in range(REQUESTS_AT_ONCE)))


async def _send(client: httpx2.AsyncClient, line: ClickLine, fates: Fates) -> None:
    headers = {"User-Agent": line.user_agent}
    if line.referrer.startswith("http"):
        headers["Referer"] = line.referrer

    async def settled() -> bool:
        try:
            answer = await client.get(f"/{line.code}", headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return False
        except httpx2.TransportError:
            fates.unseen[line.advocate_id] += 1
            return True
        if answer.status_code == HTTPStatus.FOUND:
            fates.accepted[line.advocate_id] += 1
        elif answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise AssertionError(f"{line.code} was answered {answer.status_code}")
        return answer.status_code == HTTPStatus.FOUND

    await eventually_async(settled, seconds_max=ANSWER_SECONDS_MAX, what=f"{line.code} is answered")
