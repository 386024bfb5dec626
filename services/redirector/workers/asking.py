"""What workers answer their parent: over a private Unix socket each, and not for longer than a scrape may wait."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import orjson

from http_api.management import Readiness
from redirector.metrics import WorkerMetrics
from redirector.settings import worker_socket
from redirector.workers.exposition import merged

ANSWER_SECONDS_MAX: Final = 1.0
"""A worker that takes longer counts as one that does not answer: a scrape has 10 s, and waits for all side by side."""


class Workers:
    """The workers by number, as they answer. To be used as a context."""

    def __init__(self, sockets: Path, count: int, metrics: WorkerMetrics) -> None:
        self._clients = {
            number: httpx2.AsyncClient(
                transport=httpx2.AsyncHTTPTransport(uds=str(worker_socket(sockets, number))),
                base_url=f"http://worker-{number}",
                timeout=ANSWER_SECONDS_MAX,
            )
            for number in range(1, count + 1)
        }
        self._metrics = metrics
        self._held = AsyncExitStack()
        self.stopping = False

    async def __aenter__(self) -> Self:
        for client in self._clients.values():
            await self._held.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def readiness(self) -> Readiness:
        """Ready when every one is. What is needed of whom is named `worker-2.journal`; who says nothing, `.answers`."""
        needed, known = {"running": not self.stopping}, dict[str, bool]()
        for number, answer in (await self._ask_all("/readyz")).items():
            told: dict[str, Any] = orjson.loads(answer) if answer is not None else {"needed": {"answers": False}}
            needed |= {f"worker-{number}.{name}": holds for name, holds in told["needed"].items()}
            for name, holds in told.get("known", {}).items():
                known[name] = known.get(name, True) and holds
        return Readiness(needed, known)

    async def exposition(self) -> bytes:
        """The metrics of all that answer, and of the parent itself, which says who does."""
        answers = await self._ask_all("/metrics")
        for number, answer in answers.items():
            self._metrics.up.labels(number).set(answer is not None)
        texts = {number: answer.decode() for number, answer in answers.items() if answer is not None}
        return merged(self._metrics.exposition(), texts).encode()

    async def _ask_all(self, path: str) -> Mapping[int, bytes | None]:
        answers = await asyncio.gather(*(_ask(client, path) for client in self._clients.values()))
        return dict(zip(self._clients, answers, strict=True))


async def _ask(client: httpx2.AsyncClient, path: str) -> bytes | None:
    """What one answers; None where it does not in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return (await client.get(path)).content
    except (httpx2.TransportError, TimeoutError):
        return None
