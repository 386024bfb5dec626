"""Places in a service at which it can be made to die, or to freeze, exactly once.

A failpoint is armed by a file, whose content is the signal. Whichever process comes by first takes the file away, which
only one can do, writes down that it did, and sends itself the signal.
"""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

EVIDENCE: Final = "bitten"


class Failpoint(StrEnum):
    """Where."""

    AFTER_APPEND = "after_append"
    """The click is in the journal, its request is not answered."""
    AFTER_FACTS = "after_facts"
    """What was reported is in the journal, the report is not answered."""
    SEGMENT_UNNAMED = "segment_unnamed"
    """The next segment is made and has its header, but not yet its name."""
    SEGMENT_ROLL = "segment_roll"
    """The next segment has its name, and nothing is written to it."""
    ADOPTION = "adoption"
    """A starting redirector has recovered the journal that it found, and does not own it yet."""
    BEFORE_SEND = "before_send"
    """A batch is about to be handed to the event log."""
    AFTER_SEND = "after_send"
    """The event log has taken a batch, and the shipper has not noted it."""
    BEFORE_BATCH = "before_batch"
    """An aggregator has read and judged records, and is about to begin the transaction that applies them."""
    AFTER_COMPARE_AND_SET = "after_compare_and_set"
    """The offset row is moved, nothing else is written."""
    BEFORE_COMMIT = "before_commit"
    """Everything of a batch is written and not committed."""
    AFTER_COMMIT = "after_commit"
    """A batch is committed, and the aggregator does not know it."""
    IN_ATTRIBUTION = "in_attribution"
    """The attributor has looked at everything that marked conversions depend on, and written nothing."""
    BEFORE_ATTRIBUTION_COMMIT = "before_attribution_commit"
    """Credits and counts are written and not committed."""


@dataclass(frozen=True, slots=True)
class Failpoints:
    """Those of one run, in a directory that all its processes share."""

    directory: Path

    def arm(self, failpoint: Failpoint, number: signal.Signals = signal.SIGKILL) -> None:
        """Let the next process that comes by have `number`."""
        beside = self.directory / f"{failpoint}.new"
        beside.write_text(str(number.value), encoding="utf-8")
        beside.rename(self.directory / failpoint)

    def disarm(self) -> None:
        """Let everybody pass from now on."""
        for failpoint in Failpoint:
            (self.directory / failpoint).unlink(missing_ok=True)

    def bitten(self) -> Counter[tuple[Failpoint, int]]:
        """How often each failpoint has struck which process, by pid."""
        evidence = self.directory / EVIDENCE
        lines = evidence.read_text(encoding="utf-8").splitlines() if evidence.exists() else []
        return Counter((Failpoint(name), int(pid)) for name, pid in map(str.split, lines))

    def reached(self, failpoint: Failpoint) -> None:
        """Called by a process at `failpoint`: it goes on unless this one is armed."""
        armed = self.directory / failpoint
        taken = self.directory / f"{failpoint}.{os.getpid()}"
        try:
            armed.rename(taken)
        except FileNotFoundError:
            return
        number = signal.Signals(int(taken.read_text(encoding="utf-8")))
        taken.unlink()
        descriptor = os.open(self.directory / EVIDENCE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{failpoint} {os.getpid()}\n".encode())
        os.close(descriptor)
        os.kill(os.getpid(), number)
