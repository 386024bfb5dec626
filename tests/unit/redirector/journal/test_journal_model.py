"""A journal against a plain list: whatever is appended, torn, dropped and adopted, both say the same."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redirector.journal.adoption import OwnedJournal
from redirector.journal.frames import Frame
from redirector.journal.journal import JournalFullError, Limits
from redirector.journal.segments import Slice, segment_numbers, segment_path
from stage.journals import JOURNAL, LEFT, RIGHT, opened, read_all, saying

LIMITS: Final = Limits(segment_bytes=1_000, total_bytes_max=8_000)
TICKS = st.lists(st.tuples(st.sampled_from([LEFT, RIGHT]), st.integers(0, 300)), min_size=1, max_size=6)
"""What is appended in one tick: where to, and how long it is."""


class KilledError(SystemExit):
    """The process ends in the middle of a write. As a SystemExit it also ends the event loop."""


@dataclass(frozen=True)
class Kept:
    """An event of the model: what it is, and in which segment it lies."""

    slice_: Slice
    seq: int
    text: str
    segment: int

    @property
    def payload(self) -> bytes:
        """As `stage.journals.saying` writes it."""
        stream, partition = self.slice_
        return f"{JOURNAL.hex()}-{stream.letter}{partition}-{self.seq} {self.text}".encode()


class JournalModel(RuleBasedStateMachine):
    """The model: every event that is kept, in order, and the highest seq of each slice that was ever answered."""

    @initialize()
    def begin(self) -> None:
        """An empty journal in a directory of its own."""
        self.root = Path(tempfile.mkdtemp(prefix="advolink-journal-"))
        self.runner = asyncio.Runner()
        self.kept: list[Kept] = []
        self.given_out: Counter[Slice] = Counter()
        self.texts = 0
        self._open()

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "runner"):
            self.runner.run(self.owned.close())
            self.runner.close()
            shutil.rmtree(self.root)

    @rule(tick=TICKS)
    def append(self, tick: list[tuple[Slice, int]]) -> None:
        """Several events in one tick: all are kept, or none where the journal is full."""
        events = self._named(tick)
        outcomes = self.runner.run(self._append(events))
        if isinstance(outcomes[0], JournalFullError):
            assert all(isinstance(outcome, JournalFullError) for outcome in outcomes)
            assert self.owned.journal.full
            return
        segment = self.owned.journal.end.segment
        for (slice_, text), seq in zip(events, outcomes, strict=True):
            self.given_out[slice_] += 1
            assert seq == self.given_out[slice_]
            self.kept.append(Kept(slice_, seq, text, segment))

    @rule(tick=TICKS, share=st.floats(0, 1))
    def die_in_a_write(self, tick: list[tuple[Slice, int]], share: float) -> None:
        """The process is killed when the kernel has taken a part of a tick; the next one adopts what is there.

        Of the unanswered tick, whole frames may have stayed: the first ones, without a gap.
        """
        events = self._named(tick)
        self._die(lambda: self.runner.run(self._append(events)), share)
        found = read_all(self.directory)[len(self.kept) :]
        assert len(found) <= len(events)
        for frame, (slice_, text) in zip(found, events, strict=False):
            self.given_out[slice_] += 1
            self.kept.append(Kept(slice_, self.given_out[slice_], text, self.owned.journal.end.segment))
            assert frame.payload == self.kept[-1].payload

    @rule()
    def close_and_adopt(self) -> None:
        """An ordinary stop and start."""
        self.runner.run(self.owned.close())
        self._open()

    @rule()
    def sync(self) -> None:
        """Then everything may be shipped."""
        self.runner.run(self.owned.journal.sync())
        assert self.owned.journal.synced == self.owned.journal.end

    @precondition(lambda self: len(segment_numbers(self.directory)) > 1)
    @rule()
    def drop_the_oldest_segment(self) -> None:
        """As the retention does."""
        oldest = segment_numbers(self.directory)[0]
        self.owned.journal.drop_segment(oldest)
        self.kept = [one for one in self.kept if one.segment != oldest]

    @invariant()
    def everything_kept_is_read_in_order(self) -> None:
        """And nothing else, after every step."""
        if hasattr(self, "runner"):
            frames = read_all(self.directory, self.owned.journal.end)
            assert [_seen(frame) for frame in frames] == [(*one.slice_, one.seq, one.payload) for one in self.kept]
            assert [frame.captured_at for frame in frames] == sorted(frame.captured_at for frame in frames)

    @invariant()
    def no_seq_is_forgotten(self) -> None:
        """However often the journal changed hands, and whatever was dropped."""
        if hasattr(self, "runner"):
            journal = self.owned.journal
            assert {slice_: journal.last_seq(slice_) for slice_ in (LEFT, RIGHT)} == {
                slice_: self.given_out[slice_] for slice_ in (LEFT, RIGHT)
            }
            sizes = [segment_path(self.directory, number).stat().st_size for number in segment_numbers(self.directory)]
            assert journal.size_bytes() == sum(sizes) <= LIMITS.total_bytes_max

    @property
    def directory(self) -> Path:
        """Where the journal lies."""
        return self.root / JOURNAL.hex()

    def _open(self) -> None:
        async def open_it() -> OwnedJournal:
            return opened(self.directory, LIMITS)

        self.owned = self.runner.run(open_it())

    def _named(self, tick: list[tuple[Slice, int]]) -> list[tuple[Slice, str]]:
        self.texts += len(tick)
        return [(slice_, f"{self.texts + index} " + "x" * size) for index, (slice_, size) in enumerate(tick)]

    async def _append(self, events: list[tuple[Slice, str]]) -> list[Any]:
        waiting = [self.owned.journal.append(*slice_, saying(text)) for slice_, text in events]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        return [outcome if isinstance(outcome, BaseException) else outcome.seq for outcome in outcomes]

    def _die(self, act: Callable[[], object], share: float) -> None:
        """Let `act` be cut off in its write of frames after `share` of the bytes, and adopt the journal."""
        real = os.pwrite

        def cut_off(descriptor: int, data: bytes, position: int) -> int:
            if position == 0:  # a segment's header: it has no name yet
                return real(descriptor, data, position)
            real(descriptor, data[: int(share * len(data))], position)
            raise KilledError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", cut_off)
            try:
                act()
            except KilledError:
                self.runner.close()
                self.runner = asyncio.Runner()
        os.close(self.owned.lock)
        self._open()


def _seen(frame: Frame) -> tuple[object, ...]:
    return (frame.stream, frame.partition, frame.seq, frame.payload)


JournalModel.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestJournalModel = JournalModel.TestCase
