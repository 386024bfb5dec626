"""Clicks as redirectors write them: many advocates, links and browsers, and the headers that browsers send."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from event_log.contract import Record
from link_events.codec import encode
from link_events.events import Click
from link_events.identity import AdvocateId, Code, JournalId, LinkId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import PARTITIONS_DEFAULT, Stream, partition_of

ADVOCATES: Final = 1_000
LINKS: Final = 100_000
"""Drawn by Zipf(1), as redirects are."""

AGENTS: Final = 5_000
VISITORS: Final = 50_000
"""Drawn evenly; of a million clicks one in five is a repeat."""

PERIOD: Final = timedelta(hours=6)
"""What the clicks are spread over."""

JOURNAL: Final = JournalId(b"benchlog")
LANGUAGES: Final = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "pt-BR", "ja-JP", None)
REFERRERS: Final = ("https://www.linkedin.com", "https://t.co", "https://www.facebook.com", None)
FETCH_METADATA: Final = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site"}
WITH_FETCH_METADATA: Final = 0.8
"""The share of clicks whose browser sends them."""


def user_agents(rng: random.Random) -> list[str]:
    """AGENTS browsers of many versions."""
    return [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{rng.randint(90, 140)}.0.{rng.randint(1000, 7000)}.{rng.randint(1, 200)} Safari/537.36"
        for _ in range(AGENTS)
    ]


def clicks(count: int) -> list[Click]:
    """`count` clicks, in the order in which they happened."""
    rng = random.Random(5)
    agents = user_agents(rng)
    begun = datetime.now(UTC) - PERIOD
    drawn = rng.choices(range(1, LINKS + 1), cum_weights=_zipf(), k=count)
    return [_click(rng, agents, link, begun + PERIOD * number / count) for number, link in enumerate(drawn)]


def records_by_partition(count: int) -> Sequence[Sequence[Record]]:
    """The same as one journal has them, by partition."""
    records: list[list[Record]] = [[] for _ in range(PARTITIONS_DEFAULT)]
    for click in clicks(count):
        partition = partition_of(click.advocate_id, PARTITIONS_DEFAULT)
        origin = Origin(JOURNAL, Stream.CLICKS, partition, Seq(len(records[partition]) + 1))
        records[partition].append(Record(JOURNAL, origin.seq, encode(origin, click.occurred_at, click)))
    return records


def _zipf() -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, LINKS + 1)))


def _click(rng: random.Random, agents: Sequence[str], link: int, instant: datetime) -> Click:
    return Click(
        occurred_at=instant,
        link_id=LinkId(link),
        code=Code(f"B{link:07}"),
        advocate_id=AdvocateId(f"bench{link % ADVOCATES}"),
        link_state=LinkState.ACTIVE,
        method="GET",
        user_agent=rng.choice(agents),
        referrer_origin=rng.choice(REFERRERS),
        language=rng.choice(LANGUAGES),
        signals=dict(FETCH_METADATA) if rng.random() < WITH_FETCH_METADATA else {},
        visitor=f"{rng.randrange(VISITORS) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}",
    )
