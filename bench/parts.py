"""What the parts of a redirect cost by themselves, beside one keyed hash: the least that a key or an id can cost."""

import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from browsers import PROXY, any_address
from events import clicks
from figures import Row, Table
from link_events.click_ids import ClickIdIssuer, utc_day_of
from link_events.codec import encode
from link_events.identity import JournalId, Origin, Seq
from link_events.signing import SigningKeyId
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from redirector.journal.frames import Frame, pack_frame
from redirector.visitors.addresses import Networks
from redirector.visitors.clients import Clients
from redirector.visitors.salts import Salts
from stack import SERVER_CPU
from stage.postgres import Server

CALLS: Final = 20_000
ROUNDS: Final = 7
JOURNAL: Final = JournalId(b"benchlog")
SECRET: Final = bytes(range(32))
PEER: Final = "127.0.0.1"
UTC_ZONE: Final = ZoneInfo("UTC")

Part = Callable[[], Iterable[object]]
"""Makes, with nothing remembered, what has done the part CALLS times when it is read to its end."""


def measure_parts(_server: Server, _database: str, _directory: Path) -> Table:
    """The best of some rounds, on the server's core."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CPU})
    parts = {
        "a keyed BLAKE2b, copied": _hash(),
        "click id": _click_id(),
        "visitor and network key, new address": _client(agents=1),
        "the same, new user agent too": _client(agents=CALLS),
        "JSON and frame, plain path": _frame(),
    }
    took = {name: min(_timed(part) for _ in range(ROUNDS)) for name, part in parts.items()}
    os.sched_setaffinity(0, everywhere)
    yardstick_s = next(iter(took.values()))
    return Table(
        "Parts of a redirect",
        [Row(name, {"us each": one / CALLS * 1e6, "x the hash": one / yardstick_s}) for name, one in took.items()],
    )


def _timed(part: Part) -> float:
    calls = part()
    before_s = time.process_time()
    deque(calls, maxlen=0)
    return time.process_time() - before_s


def _hash() -> Part:
    begun, rests = blake2b(b"agent", key=SECRET, digest_size=16), _random_bytes(16)

    def one(rest: bytes) -> str:
        hashed = begun.copy()
        hashed.update(rest)
        return hashed.hexdigest()

    return lambda: map(one, rests)


def _click_id() -> Part:
    issuer = ClickIdIssuer(SigningKeyId(1), SECRET, JOURNAL, PARTITIONS_DEFAULT)
    day = utc_day_of(datetime.now(UTC))
    partitions = [Partition(number % PARTITIONS_DEFAULT) for number in range(CALLS)]
    return lambda: (issuer.issue(partition, Seq(seq), day) for seq, partition in enumerate(partitions, 1))


def _client(agents: int) -> Part:
    """Of addresses that were not there before, and so many user agents."""
    rng, now = random.Random(19), datetime.now(UTC)
    drawn = [(any_address(rng), f"Mozilla/5.0 (of many) like {number % agents}") for number in range(CALLS)]

    def calls() -> Iterable[object]:
        clients = Clients(
            Salts({now.date(): SECRET}),
            lambda: UTC_ZONE,
            Networks([ip_network(PROXY)]),
            Networks([]),
            unresolved=_nothing,
            forwarded_by_strangers=_nothing,
        )
        return (clients.identify(PEER, address, agent, "en-US", now) for address, agent in drawn)

    return calls


def _frame() -> Part:
    origins = [Origin(JOURNAL, Stream.CLICKS, Partition(3), Seq(seq)) for seq in range(1, CALLS + 1)]
    waiting = list(zip(origins, clicks(CALLS), strict=True))
    return lambda: (
        pack_frame(
            Frame(
                origin.stream, origin.partition, origin.seq, click.occurred_at, encode(origin, click.occurred_at, click)
            )
        )
        for origin, click in waiting
    )


def _random_bytes(size: int) -> list[bytes]:
    rng = random.Random(17)
    return [rng.randbytes(size) for _ in range(CALLS)]


def _nothing() -> None:
    """What a redirector counts, and is not measured here."""
