"""Keeps this aggregator's lease, and one consumer running for each partition that is its share.

Several times in the length of a lease it says that it is alive, looks at who else is, and takes or gives back
partitions. One is given back only when its consumer has ended, so a batch is either committed or left to the next.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from aggregator.applying.consumer import PartitionConsumer
from aggregator.leases.shares import Change, Picture, Slice, change_for
from aggregator.leases.store import LeaseStore
from database.pool import DatabaseAwayError
from http_api.serving import Failures, cancel_all

RENEWALS_PER_LEASE: Final = 5
"""So many renewals must fail, one after another, before others take our partitions over."""

RESIGN_TIMEOUT_S: Final = 2.0
"""An aggregator that stops waits no longer for Postgres; without a word its lease runs out."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Which partitions are applied here, and by which tasks."""

    def __init__(
        self,
        store: LeaseStore,
        slices: Sequence[Slice],
        make_consumer: Callable[[Slice], PartitionConsumer],
        failures: Failures,
    ) -> None:
        self._store = store
        self._slices = slices
        self._owner = store.owner
        self._lease_s = store.lease.total_seconds()
        self._make_consumer = make_consumer
        self._failures = failures
        self._running: dict[Slice, tuple[PartitionConsumer, asyncio.Task[None]]] = {}
        self._renewed_at_s: float | None = None

    @property
    def is_leased(self) -> bool:
        """Whether our lease is good and Postgres answers."""
        now_s = asyncio.get_running_loop().time()
        return self._renewed_at_s is not None and now_s - self._renewed_at_s < self._lease_s

    @property
    def consumers(self) -> Collection[PartitionConsumer]:
        """The consumers of our share."""
        return [consumer for consumer, task in self._running.values() if not task.done()]

    @property
    def held(self) -> Collection[Slice]:
        """Which partitions those apply."""
        return [slice_ for slice_, (_, task) in self._running.items() if not task.done()]

    async def run(self) -> None:
        """Keep the lease for ever."""
        while True:
            try:
                await self._round()
            except DatabaseAwayError as error:
                log.warning("the lease could not be renewed: %s", error)
                self._renewed_at_s = None  # it may be good for a while, but what is read would not be there either
            await asyncio.sleep(self._lease_s / RENEWALS_PER_LEASE)

    async def stop(self) -> None:
        """End every consumer and let the others have our partitions."""
        await self._end(list(self._running))
        try:
            async with asyncio.timeout(RESIGN_TIMEOUT_S):
                await self._store.resign()
        except (DatabaseAwayError, TimeoutError) as error:
            log.warning("the lease is left to run out: %s", error or "Postgres does not answer")

    async def _round(self) -> None:
        asked_at_s = asyncio.get_running_loop().time()  # before: the lease runs from some time after it
        picture = await self._store.renew()
        if not picture.holders.keys() >= set(self._slices):  # the first of all, or the database is an older copy now
            await self._store.enroll(self._slices)
            picture = await self._store.renew()
        self._renewed_at_s = asked_at_s
        known = set(self._slices)  # there may be rows of more, of an installation that was set up otherwise
        holders = {slice_: holder for slice_, holder in picture.holders.items() if slice_ in known}
        # A consumer that has ended had lost its partition; where the row still names us, another begins anew.
        ended = [slice_ for slice_, (_, task) in self._running.items() if task.done()]
        lost = [slice_ for slice_ in self._running if holders.get(slice_) not in (None, self._owner)]
        await self._end([*ended, *lost])
        held = {slice_ for slice_, holder in holders.items() if holder == self._owner}
        for slice_, (consumer, _) in self._running.items():
            consumer.notice_epoch(picture.epochs.get(slice_, 0))
        await self._make(change_for(self._owner, Picture(picture.alive, holders)), held)

    async def _make(self, change: Change, held: set[Slice]) -> None:
        if change.give_back:
            await self._end(change.give_back)
            await self._store.give_back(change.give_back)
            log.info("gave back %s", _named(change.give_back))
        wanted = (held - set(change.give_back)) | set(change.take)
        begun = [slice_ for slice_ in sorted(wanted) if slice_ not in self._running]
        for slice_ in begun:
            consumer = self._make_consumer(slice_)
            task = asyncio.create_task(consumer.run(), name=f"applying {_named([slice_])}")
            self._failures.watch(task)
            self._running[slice_] = (consumer, task)
        if begun:
            log.info("applying %s", _named(begun))

    async def _end(self, slices: Iterable[Slice]) -> None:
        ending = [self._running.pop(slice_)[1] for slice_ in slices if slice_ in self._running]
        await cancel_all(ending)


def _named(slices: Iterable[Slice]) -> str:
    return ", ".join(f"{stream}/{partition}" for stream, partition in slices)
