"""How each kind of fault is done, and by what one knows that it was felt.

A strike returns while its fault still lasts, or has ended a process; whoever calls it heals the stack (`Cluster.heal`).
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stage.chaos.children import Child
from stage.chaos.cluster import LEASE_SECONDS, Cluster, send_signal
from stage.chaos.failpoints import Failpoint
from stage.chaos.faults import Fault, FaultKind
from stage.chaos.measures import Measure, Measures
from stage.kafka import Broker
from stage.proxy import Proxy
from stage.sql import fetch
from stage.up import is_running
from stage.waiting import elapse, eventually_async

BITE_SECONDS_MAX: Final = 20
"""A segment is full long before; everything else happens several times a second."""

TAKEN_OVER_SECONDS_MAX: Final = 30
"""A lease of two seconds and a busy machine."""

DELAYS_S: Final = (0.02, 0.05, 0.1, 0.2)
SLICES_BYTES: Final = (16, 64, 256)
CUTS_MAX: Final = 3
BUSY_BACKENDS: Final = 4
TURN_S: Final = 0.3
"""How long a state is left to itself where something is to follow it."""

ATTRIBUTOR_FROZEN_S: Final = 0.6
"""Postgres looks for deadlocks among those who have waited for a second."""

Do = Callable[[Cluster, Fault, Measures], Awaitable[None]]
Felt = Callable[[Measures], bool]


@dataclass(frozen=True, slots=True)
class Strike:
    """What a kind of fault does, and whether what was measured shows that it was felt."""

    do: Do
    is_felt: Felt


# ---------------------------------------------------------------- services


async def _kill(child: Child, measures: Measures) -> None:
    measures[Measure.KILLED] += await child.end(signal.SIGKILL) == -signal.SIGKILL


async def _freeze(pid: int, seconds: float, measures: Measures) -> None:
    send_signal(pid, signal.SIGSTOP)
    await elapse(seconds)
    measures[Measure.FROZEN_MS] += round(seconds * 1000) if _is_stopped(pid) else 0
    send_signal(pid, signal.SIGCONT)


async def _until_dead(pid: int, measures: Measures) -> None:
    """Wait for the death of a worker, which is its parent's child and not ours."""

    async def is_dead() -> bool:
        return not is_running(pid)

    await eventually_async(is_dead, what=f"{pid} is dead")
    measures[Measure.KILLED] += 1


async def redirector_kill(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGKILL; where there are workers, of one of them or of their parent, with whom all of them die."""
    workers = cluster.workers
    victim = fault.choose(len(workers) + 1)
    if victim < len(workers):
        send_signal(workers[victim], signal.SIGKILL)
        await _until_dead(workers[victim], measures)
    else:
        await _kill(cluster.redirector, measures)


async def redirector_freeze(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGSTOP, and SIGCONT a while later; of one of several workers."""
    pids = cluster.workers or [cluster.redirector.pid]
    await _freeze(pids[fault.choose(len(pids))], fault.seconds, measures)


async def aggregator_kill(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGKILL of one of two."""
    await _kill(cluster.aggregators[fault.choose(2)], measures)


async def aggregator_freeze(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """Frozen until its lease has run out and a while longer."""
    await _freeze(cluster.aggregators[fault.choose(2)].pid, LEASE_SECONDS + fault.seconds, measures)


async def aggregator_zombie(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """Frozen with a batch in its hands until another has taken its partitions over, and works on them."""
    before = await cluster.owners()
    pid = await _bitten(cluster, Failpoint.BEFORE_BATCH, signal.SIGSTOP)
    if pid is None:
        return
    frozen_at_s = time.monotonic()

    async def is_taken_over() -> bool:
        now = await cluster.owners()
        return any(now.get(partition, held)[0] != held[0] for partition, held in before.items())

    await eventually_async(is_taken_over, seconds_max=TAKEN_OVER_SECONDS_MAX, what="the frozen one's share is taken")
    await elapse(fault.seconds)
    measures[Measure.FROZEN_MS] += round(1000 * (time.monotonic() - frozen_at_s)) if _is_stopped(pid) else 0
    send_signal(pid, signal.SIGCONT)
    await elapse(TURN_S)


async def attributor_freeze(cluster: Cluster, _fault: Fault, measures: Measures) -> None:
    """Frozen in the middle of an attribution; not for so long that its transaction is ended."""
    pid = await _bitten(cluster, Failpoint.IN_ATTRIBUTION, signal.SIGSTOP)
    if pid is not None:
        await _freeze(pid, ATTRIBUTOR_FROZEN_S, measures)
        await elapse(TURN_S)


def _at(failpoint: Failpoint) -> Do:
    """Death at a failpoint."""

    async def do(cluster: Cluster, _fault: Fault, measures: Measures) -> None:
        await _dead(cluster, failpoint, measures)

    return do


async def adoption(cluster: Cluster, _fault: Fault, measures: Measures) -> None:
    """A redirector is killed, and the one that takes its journal over as well."""
    await _kill(cluster.redirector, measures)
    cluster.restart()  # it takes its time to start: the failpoint is armed long before it comes by
    await _dead(cluster, Failpoint.ADOPTION, measures)


async def _dead(cluster: Cluster, failpoint: Failpoint, measures: Measures) -> None:
    """Arm a failpoint, and wait for the death of whoever comes by."""
    pid = await _bitten(cluster, failpoint)
    victim = next((child for child in cluster.children if child.pid == pid), None)
    if victim is None and pid is not None:
        await _until_dead(pid, measures)
    elif victim is not None:
        measures[Measure.KILLED] += await victim.end(signal.SIGCONT) == -signal.SIGKILL


async def _bitten(cluster: Cluster, failpoint: Failpoint, number: signal.Signals = signal.SIGKILL) -> int | None:
    """Arm a failpoint; the pid of the process that came by, or None where nobody did."""
    before = cluster.failpoints.bitten()
    cluster.failpoints.arm(failpoint, number)

    async def bites() -> Counter[tuple[Failpoint, int]]:
        return cluster.failpoints.bitten() - before

    try:
        new = await eventually_async(bites, seconds_max=BITE_SECONDS_MAX)
    except AssertionError:
        return None
    return next(pid for _, pid in new)


# ---------------------------------------------------------------- Postgres and Kafka


async def backend_kill(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGKILL of a process that serves one of our sessions; Postgres says so itself."""
    pid = await _chosen_backend(cluster, fault)
    said = f"(PID {pid}) was terminated by signal {signal.SIGKILL.value}"
    if pid is not None and send_signal(pid, signal.SIGKILL):

        async def is_told() -> bool:
            return said in cluster.ground.server.log

        await eventually_async(is_told, what=f"Postgres misses {pid}")
        measures[Measure.KILLED] += 1


async def backend_freeze(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGSTOP of such a process, and SIGCONT a while later."""
    pid = await _chosen_backend(cluster, fault)
    if pid is None:
        return
    cluster.frozen_backends.add(pid)
    send_signal(pid, signal.SIGSTOP)
    await elapse(fault.seconds)
    measures[Measure.FROZEN_MS] += round(fault.seconds * 1000) if _is_stopped(pid) else 0
    measures[Measure.STUCK] += await _is_waited_for(cluster, pid)


async def backend_terminate(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """An administrator's pg_terminate_backend."""
    pid = await _chosen_backend(cluster, fault)
    if pid is not None:
        await fetch(cluster.dsn, "SELECT pg_terminate_backend($1)", pid)

        async def is_gone() -> bool:
            return pid not in await cluster.sessions()

        await eventually_async(is_gone, what=f"backend {pid} is gone")
        measures[Measure.CUT] += 1


async def postmaster_kill(cluster: Cluster, _fault: Fault, measures: Measures) -> None:
    """SIGKILL of the server's first process; the others notice and end."""
    await asyncio.to_thread(cluster.ground.server.kill)
    measures[Measure.KILLED] += not cluster.ground.server.is_running


async def postmaster_freeze(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """Whoever was connected is not any more, and nobody gets in for a while."""
    cluster.ground.server.freeze()
    measures[Measure.CUT] += await cluster.postgres_proxy.sever()
    await elapse(fault.seconds)
    measures[Measure.UNANSWERED] += cluster.postgres_proxy.unanswered
    measures[Measure.FROZEN_MS] += round(fault.seconds * 1000)


async def broker_kill(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGKILL, and nobody starts it again for a while."""
    await asyncio.to_thread(_broker(cluster).kill)
    measures[Measure.KILLED] += not _broker(cluster).is_running
    await elapse(fault.seconds)


async def broker_freeze(cluster: Cluster, fault: Fault, measures: Measures) -> None:
    """SIGSTOP for longer than clients wait for an answer."""
    _broker(cluster).freeze()
    seconds = 2 + fault.seconds
    await elapse(seconds)
    measures[Measure.FROZEN_MS] += round(seconds * 1000) if _is_stopped(_broker(cluster).pid) else 0


async def _chosen_backend(cluster: Cluster, fault: Fault) -> int | None:
    """One of those that were at work last: pools use the same few again and again."""
    pids = (await cluster.sessions())[:BUSY_BACKENDS]
    return pids[fault.choose(len(pids))] if pids else None


async def _is_waited_for(cluster: Cluster, pid: int) -> bool:
    """Whether a frozen backend was asked something: it was at work, or bytes lie in its socket that it has not read."""
    query = "SELECT state = 'active', client_port FROM pg_stat_activity WHERE pid = $1"
    for is_active, client_port in await fetch(cluster.dsn, query, pid):
        return bool(is_active) or _unread_bytes(cluster.ground.server.cluster.port, client_port) > 0
    return False


def _unread_bytes(port: int, client_port: int) -> int:
    """What lies in the socket of a connection, unread by the server."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (port, client_port):
            return int(queues.split(":")[1], 16)
    return 0


def _broker(cluster: Cluster) -> Broker:
    if cluster.ground.broker is None:
        raise LookupError("this stack has no Kafka")
    return cluster.ground.broker


def _is_stopped(pid: int) -> bool:
    """Whether a process is there and frozen."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] == "T"


# ---------------------------------------------------------------- the network


Way = Callable[[Cluster], Proxy]


def _to_postgres(cluster: Cluster) -> Proxy:
    return cluster.postgres_proxy


def _to_kafka(cluster: Cluster) -> Proxy:
    if cluster.kafka_proxy is None:
        raise LookupError("this stack has no Kafka")
    return cluster.kafka_proxy


def _delay(way: Way) -> Do:
    """Everything takes longer, in both directions."""

    async def do(cluster: Cluster, fault: Fault, measures: Measures) -> None:
        proxy = way(cluster)
        before = proxy.held_bytes
        proxy.delay_s = DELAYS_S[fault.choose(len(DELAYS_S))]
        await elapse(fault.seconds)
        measures[Measure.HELD] += proxy.held_bytes - before

    return do


def _cut(way: Way) -> Do:
    """Every connection is broken, once or several times."""

    async def do(cluster: Cluster, fault: Fault, measures: Measures) -> None:
        for _ in range(1 + fault.choose(CUTS_MAX)):
            measures[Measure.CUT] += await way(cluster).sever()
            await elapse(TURN_S)

    return do


def _black_hole(way: Way) -> Do:
    """Nothing comes through. What was held comes through after all when it is over, or every second time never."""

    async def do(cluster: Cluster, fault: Fault, measures: Measures) -> None:
        proxy = way(cluster)
        before = proxy.held_bytes
        proxy.freeze()
        await elapse(1 + fault.seconds)
        measures[Measure.HELD] += proxy.held_bytes - before
        if fault.choose(2):
            measures[Measure.CUT] += await proxy.sever()

    return do


def _slice(way: Way) -> Do:
    """Everything comes in small pieces."""

    async def do(cluster: Cluster, fault: Fault, measures: Measures) -> None:
        proxy = way(cluster)
        before = proxy.pieces
        proxy.slice_bytes = SLICES_BYTES[fault.choose(len(SLICES_BYTES))]
        await elapse(fault.seconds)
        measures[Measure.SLICES] += proxy.pieces - before

    return do


# ---------------------------------------------------------------- what shows that a fault was felt


def _any_of(*wanted: Measure) -> Felt:
    return lambda measures: any(measures[measure] > 0 for measure in wanted)


def _all_of(*wanted: Measure) -> Felt:
    return lambda measures: all(measures[measure] > 0 for measure in wanted)


def _waited(measures: Measures) -> bool:
    """Whether somebody waited for as long as something was frozen, but for how they happened to begin."""
    return 0 < measures[Measure.FROZEN_MS] <= 2 * measures[Measure.WAIT_MS]


STRIKES: Final[Mapping[FaultKind, Strike]] = {
    FaultKind.REDIRECTOR_KILL: Strike(redirector_kill, _all_of(Measure.KILLED)),
    FaultKind.REDIRECTOR_FREEZE: Strike(redirector_freeze, _waited),
    FaultKind.AGGREGATOR_KILL: Strike(aggregator_kill, _all_of(Measure.KILLED, Measure.MOVED)),
    FaultKind.AGGREGATOR_FREEZE: Strike(aggregator_freeze, _all_of(Measure.FROZEN_MS, Measure.MOVED)),
    FaultKind.AGGREGATOR_ZOMBIE: Strike(
        aggregator_zombie, _all_of(Measure.FROZEN_MS, Measure.MOVED, Measure.INTERRUPTIONS)
    ),
    FaultKind.ATTRIBUTOR_FREEZE: Strike(attributor_freeze, _all_of(Measure.FROZEN_MS)),
    FaultKind.BACKEND_KILL: Strike(backend_kill, _all_of(Measure.KILLED)),
    FaultKind.BACKEND_FREEZE: Strike(backend_freeze, _all_of(Measure.FROZEN_MS, Measure.STUCK)),
    FaultKind.BACKEND_TERMINATE: Strike(backend_terminate, _all_of(Measure.CUT)),
    FaultKind.POSTMASTER_KILL: Strike(postmaster_kill, _all_of(Measure.KILLED, Measure.INTERRUPTIONS)),
    FaultKind.POSTMASTER_FREEZE: Strike(postmaster_freeze, _all_of(Measure.CUT, Measure.UNANSWERED)),
    FaultKind.BROKER_KILL: Strike(broker_kill, _all_of(Measure.KILLED)),
    FaultKind.BROKER_FREEZE: Strike(broker_freeze, _any_of(Measure.INTERRUPTIONS, Measure.FAILURES)),
    FaultKind.ADOPTION: Strike(adoption, lambda measures: measures[Measure.KILLED] > 1),
    **{
        FaultKind(f"kill_{failpoint}"): Strike(_at(failpoint), _all_of(Measure.KILLED))
        for failpoint in Failpoint
        if failpoint not in (Failpoint.ADOPTION, Failpoint.BEFORE_BATCH)
    },
    FaultKind.POSTGRES_DELAY: Strike(_delay(_to_postgres), _all_of(Measure.HELD)),
    FaultKind.POSTGRES_CUT: Strike(_cut(_to_postgres), _all_of(Measure.CUT)),
    FaultKind.POSTGRES_BLACK_HOLE: Strike(_black_hole(_to_postgres), _all_of(Measure.HELD)),
    FaultKind.POSTGRES_SLICE: Strike(_slice(_to_postgres), _all_of(Measure.SLICES)),
    FaultKind.KAFKA_DELAY: Strike(_delay(_to_kafka), _all_of(Measure.HELD)),
    FaultKind.KAFKA_CUT: Strike(_cut(_to_kafka), _all_of(Measure.CUT)),
    FaultKind.KAFKA_BLACK_HOLE: Strike(_black_hole(_to_kafka), _all_of(Measure.HELD)),
    FaultKind.KAFKA_SLICE: Strike(_slice(_to_kafka), _all_of(Measure.SLICES)),
}
