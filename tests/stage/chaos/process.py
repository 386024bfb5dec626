"""A service as chaos runs it: the real one, with failpoints, and as a test build with guards switched off.

    python -m stage.chaos.process redirector|aggregator DIRECTORY [GUARD …]

Failpoints are armed in DIRECTORY. Nothing in the services knows of any of this: seams are replaced here, before the
service's own `main` runs, and Kafka is waited for a little less long, so that more happens in an hour.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aggregator.__main__
import redirector.__main__
from aggregator.applying.store import ApplyingStore
from aggregator.attributing.store import AttributingStore, AttributionWriter
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from event_log.kafka.patience import Patience
from event_log.postgres import PostgresEventLog
from redirector.fast_lane.lane import FastLane
from redirector.journal import adoption, journal, segments
from redirector.recording import Recorder
from stage.chaos.failpoints import Failpoint, Failpoints
from stage.chaos.guards import Guard, switch_off
from stage.chaos.seams import replace_attribute

PATIENCE: Final = Patience(
    request_s=2.0, metadata_age_s=5.0, start_s=4.0, stop_s=5.0, close_s=2.0, ask_s=2.0, quiet_s_max=4.0
)
"""Production's time-outs are five times as long, and so would be every fault that has to reach them."""

MAINS: Final = {"redirector": redirector.__main__.main, "aggregator": aggregator.__main__.main}


def add_failpoints(points: Failpoints) -> None:
    """Put every failpoint in its place."""
    reached = points.reached
    replace_attribute(Recorder, "record", _recording(reached, Failpoint.AFTER_APPEND))
    replace_attribute(FastLane, "_redirect", _before(reached, Failpoint.AFTER_APPEND))
    replace_attribute(segments, "write_all", _then(reached, Failpoint.SEGMENT_UNNAMED))
    replace_attribute(journal, "create_segment", _then(reached, Failpoint.SEGMENT_ROLL))
    replace_attribute(adoption, "recover", _then(reached, Failpoint.ADOPTION))
    for form in (PostgresEventLog, KafkaEventLog):
        replace_attribute(form, "append", _sending(reached))
    replace_attribute(ApplyingStore, "batch", _applying(reached))
    replace_attribute(Recorder, "keep", _recording(reached, Failpoint.AFTER_FACTS))
    replace_attribute(AttributionWriter, "write", _before(reached, Failpoint.IN_ATTRIBUTION))
    replace_attribute(AttributingStore, "attribution", _attributing(reached))


def shorten_patience() -> None:
    """Wait for Kafka as long as PATIENCE says."""
    of = KafkaConnection.of
    hasty = classmethod(lambda _cls, settings: replace(of(settings), patience=PATIENCE))
    replace_attribute(KafkaConnection, "of", lambda _: hasty)


Reached = Callable[[Failpoint], None]
Replace = Callable[[Any], Any]


def _then(reached: Reached, failpoint: Failpoint) -> Replace:
    """A function at whose end the failpoint is."""

    def made(original: Any) -> Any:
        def calling(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            reached(failpoint)
            return result

        return calling

    return made


def _before(reached: Reached, failpoint: Failpoint) -> Replace:
    """A function at whose beginning the failpoint is."""

    def made(original: Any) -> Any:
        def calling(*args: Any, **options: Any) -> Any:
            reached(failpoint)
            return original(*args, **options)

        return calling

    return made


def _recording(reached: Reached, failpoint: Failpoint) -> Replace:
    def made(record: Any) -> Any:
        async def recording(*args: Any) -> Any:
            recorded = await record(*args)
            reached(failpoint)
            return recorded

        return recording

    return made


def _sending(reached: Reached) -> Replace:
    def made(append: Any) -> Any:
        async def sending(*args: Any, **options: Any) -> None:
            reached(Failpoint.BEFORE_SEND)
            await append(*args, **options)
            reached(Failpoint.AFTER_SEND)

        return sending

    return made


def _applying(reached: Reached) -> Replace:
    def made(batch: Any) -> Any:
        @asynccontextmanager
        async def applying(*args: Any) -> AsyncIterator[Any]:
            reached(Failpoint.BEFORE_BATCH)
            async with batch(*args) as writer:
                reached(Failpoint.AFTER_COMPARE_AND_SET)
                yield writer
                reached(Failpoint.BEFORE_COMMIT)
            reached(Failpoint.AFTER_COMMIT)

        return applying

    return made


def _attributing(reached: Reached) -> Replace:
    def made(attribution: Any) -> Any:
        @asynccontextmanager
        async def attributing(*args: Any) -> AsyncIterator[Any]:
            async with attribution(*args) as writer:
                yield writer
                if writer is not None:
                    reached(Failpoint.BEFORE_ATTRIBUTION_COMMIT)

        return attributing

    return made


def main(service: str, directory: str, *guards: str) -> None:
    """Run a service."""
    for guard in map(Guard, guards):
        switch_off(guard)
    add_failpoints(Failpoints(Path(directory)))
    shorten_patience()
    MAINS[service]()


if __name__ == "__main__":
    main(*sys.argv[1:])
