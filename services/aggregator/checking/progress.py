"""How far a command is that goes through all clicks: a bar on a terminal, now and then a line where there is none.

Both go to standard error, so that what the command finds can be read by other programs.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """How far: `share` of the work (0 to 1) and `clicks` took `elapsed_s`."""

    share: float
    clicks: int
    elapsed_s: float

    @property
    def told(self) -> str:
        """Clicks done of about how many, how fast, and how long the rest takes."""
        rate = self.clicks / self.elapsed_s if self.elapsed_s else 0.0
        told = f"{self.clicks:,} of about {self._about(self.clicks):,} clicks, {rate:,.0f}/s"
        if not self.share:
            return told
        left_s = round(self.elapsed_s * (1 - self.share) / self.share)
        return f"{told}, {left_s // 60}:{left_s % 60:02} left"

    def _about(self, clicks: int) -> int:
        """All clicks, as the share lets expect, to three digits: it is no more exact than that."""
        return int(float(f"{clicks / self.share:.3g}")) if self.share else clicks


class Going:
    """What a command tells of its way."""

    def __init__(self, doing: str, bars: Progress | None, console: Console) -> None:
        self._doing = doing
        self._bars = bars
        self._console = console
        self._task = bars.add_task(doing, total=1.0, told="") if bars else None
        self._started_s = self._said_s = time.monotonic()
        self._share = 0.0
        self._clicks = 0

    def advance(self, share: float, clicks: int) -> None:
        """So much more is done."""
        self._share = min(self._share + share, 1.0)
        self._clicks += clicks
        now_s = time.monotonic()
        told = Estimate(self._share, self._clicks, now_s - self._started_s).told
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._share, told=told)
        elif now_s - self._said_s >= LINE_INTERVAL_S:
            self._said_s = now_s
            self._console.print(f"{self._doing}: {told}")

    def say(self, words: str) -> None:
        """What is done next."""
        self._console.print(words)


@contextmanager
def going(doing: str) -> Iterator[Going]:
    """Tell how far a command is, for the length of the block. `doing`: in one word."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        yield Going(doing, None, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        yield Going(doing, bars, console)
