"""Who owns which journal: one live process a directory, held by flock.

A starting worker adopts one that an earlier one left and continues its seqs; where nothing is left it makes a new
journal. The lock dies with the process, however it dies. While one process chooses among journals, no other does; to
open the one that was chosen takes longer, up to seconds for a full segment, and nobody waits for that.
"""

import contextlib
import fcntl
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from link_events.identity import JOURNAL_ID_BYTES, JournalId
from redirector.journal.journal import Journal, Limits, utc_now
from redirector.journal.recovery import Recovered, recover
from redirector.journal.segments import (
    SegmentError,
    SegmentHeader,
    create_segment,
    segment_numbers,
    segment_path,
    sync_directory,
)

LOCK_FILE: Final = "lock"
DONE_FILE: Final = "done"
_NAME: Final = re.compile(f"[0-9a-f]{{{2 * JOURNAL_ID_BYTES}}}")
_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600

log = logging.getLogger(__name__)


class JournalTakenError(Exception):
    """Another process owns the directory."""


class PartitionsChangedError(Exception):
    """A journal was made for another number of partitions; its events would land elsewhere."""


@dataclass(frozen=True, slots=True)
class OwnedJournal:
    """A journal and the lock that makes it ours."""

    journal: Journal
    lock: int

    async def close(self, *, done: bool = False) -> None:
        """Sync and close the journal, then let others have it; one that is `done`, not before that is noted.

        Who took it for unfinished would write on in it.
        """
        await self.journal.close()
        try:
            if done:
                mark_done(self.journal.directory)
        except OSError:  # it is found done again at the next start
            log.exception("%s cannot be marked as done", self.journal.directory)
        finally:
            os.close(self.lock)


@dataclass(frozen=True, slots=True)
class LockedJournal:
    """The directory of a journal that is ours, and has yet to be opened."""

    directory: Path
    lock: int

    def open(self, partitions: int, limits: Limits) -> OwnedJournal | None:
        """The journal; None, and its lock let go of, where it cannot be continued."""
        try:
            return _opened(self.directory, self.lock, journal_of(self.directory), partitions, limits, now=utc_now)
        except (SegmentError, OSError):
            log.critical(
                "%s cannot be continued and is left as it is; see docs/operations.md", self.directory, exc_info=True
            )
            return None

    def let_go(self) -> None:
        """Let others have it."""
        os.close(self.lock)


def take_journal(root: Path, partitions: int, limits: Limits) -> OwnedJournal:
    """The journal of a starting worker: the first under `root` that nobody owns, else a new one.

    Raises:
        PartitionsChangedError: it was made for another number of partitions.
    """
    refused: set[Path] = set()
    while True:
        with _choosing(root):
            chosen = next(_unowned(directory for directory in _not_done(root) if directory not in refused), None)
            if chosen is None:
                return new_journal(root, partitions, limits)
        if (owned := chosen.open(partitions, limits)) is not None:
            return owned
        refused.add(chosen.directory)


def take_left_behind(root: Path, owners: int) -> Sequence[LockedJournal] | None:
    """What nobody owns under `root`, once `owners` journals have an owner; None until then.

    Before that, one that nobody owns may be that of a worker which is about to start.
    """
    with _choosing(root):
        if sum(_is_owned(directory) for directory in _not_done(root)) < owners:
            return None
        return list(_unowned(_not_done(root)))


def adopt_all(root: Path, partitions: int, limits: Limits) -> Sequence[OwnedJournal]:
    """Every journal under `root` that nobody owns and that has anything left to say, in a stable order.

    What is not named as a journal is (a copy that somebody made, `lost+found`) is left alone.
    """
    root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    unowned = _unowned(_not_done(root))
    return [owned for one in unowned if (owned := one.open(partitions, limits)) is not None]


def adopt(directory: Path, partitions: int, limits: Limits, *, done: bool = False) -> OwnedJournal | None:
    """The journal in `directory`, unless somebody owns it, it cannot be continued, or it is not (or is) `done`.

    One that was done or let go since the caller looked is not begun anew under its old id.
    """
    locked = _lock(directory, done=done)
    return None if locked is None else locked.open(partitions, limits)


def journal_of(directory: Path) -> JournalId:
    """The journal that a directory is named after."""
    return JournalId(bytes.fromhex(directory.name))


def new_journal(root: Path, partitions: int, limits: Limits) -> OwnedJournal:
    """A journal that never was before."""
    journal = JournalId(secrets.token_bytes(JOURNAL_ID_BYTES))
    return open_journal(root / journal.hex(), journal, partitions, limits)


def open_journal(
    directory: Path, journal: JournalId, partitions: int, limits: Limits, now: Callable[[], datetime] = utc_now
) -> OwnedJournal:
    """The journal in `directory`, which is made where it is missing; `now` says when its events are captured.

    Raises:
        JournalTakenError: another process owns it.
        PartitionsChangedError: it was made for another number of partitions.
        SegmentError: what it holds is another journal, or has no header.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    return _opened(directory, _locked(directory), journal, partitions, limits, now=now)


def is_done(directory: Path) -> bool:
    """Whether the journal in `directory` is sealed and everything in it was shipped."""
    return (directory / DONE_FILE).exists()


def mark_done(directory: Path) -> None:
    """Note that the journal in `directory` is sealed and everything in it was shipped."""
    (directory / DONE_FILE).touch()


def unmark_done(directory: Path) -> None:
    """Take back that everything in the journal was shipped."""
    (directory / DONE_FILE).unlink(missing_ok=True)


def done_journals(root: Path) -> Sequence[Path]:
    """The journals under `root` that are done, in a stable order."""
    return sorted(path for path in root.glob("*") if _NAME.fullmatch(path.name) and is_done(path))


def remove_done(roots: Iterable[Path], retention: timedelta | None, bytes_max: int) -> None:
    """Remove the journals under `roots` that were done longer ago than `retention`, or for which there is no room.

    Without a retention they would fill the disk one day: together they may take `bytes_max`, and those that were done
    first go first. Whose lock is held stays.
    """
    taken_bytes = 0
    for age_s, directory in sorted(_all_done(roots)):
        taken_bytes += sum(segment_path(directory, number).stat().st_size for number in segment_numbers(directory))
        if taken_bytes > bytes_max or (retention is not None and age_s > retention.total_seconds()):
            _remove(directory)


def _all_done(roots: Iterable[Path]) -> Iterator[tuple[float, Path]]:
    """The journals that are done, and for how many seconds."""
    for root in roots:
        for directory in root.glob("*"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                yield time.time() - (directory / DONE_FILE).stat().st_mtime, directory


def _remove(directory: Path) -> None:
    try:
        lock = _locked(directory)
    except JournalTakenError:
        log.info("%s is in use", directory)
        return
    try:
        shutil.rmtree(directory)
    finally:
        os.close(lock)


def _not_done(root: Path) -> Sequence[Path]:
    return sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name) and not is_done(path))


def _unowned(directories: Iterable[Path]) -> Iterator[LockedJournal]:
    """Those of `directories` that nobody owned; now they are ours."""
    for directory in directories:
        if (locked := _lock(directory, done=False)) is not None:
            yield locked


def _lock(directory: Path, *, done: bool) -> LockedJournal | None:
    """The journal in `directory`, unless somebody owns it, it is not there, or it is not (or is) `done`."""
    try:
        lock = _locked(directory)
    except (JournalTakenError, FileNotFoundError):
        return None
    locked = LockedJournal(directory, lock)
    if is_done(directory) is not done:
        locked.let_go()
        return None
    return locked


@contextlib.contextmanager
def _choosing(root: Path) -> Iterator[None]:
    """Only this process chooses among the journals under `root`. It takes milliseconds, and is waited for."""
    root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    lock = os.open(root.with_name(f"{root.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _locked(directory: Path) -> int:
    """The lock of a journal's directory, which is ours until it is closed.

    Raises:
        JournalTakenError: another process has it.
        FileNotFoundError: there is no such directory (any more).
    """
    path = directory / LOCK_FILE
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = path.stat().st_ino == os.fstat(lock).st_ino  # else the directory was removed and made again meanwhile
    except BlockingIOError:
        is_ours = False
    except BaseException:
        os.close(lock)
        raise
    if not is_ours:
        os.close(lock)
        raise JournalTakenError(str(directory))
    return lock


def _is_owned(directory: Path) -> bool:
    try:
        os.close(_locked(directory))
    except JournalTakenError:
        return True
    except FileNotFoundError:
        pass
    return False


def _opened(
    directory: Path, lock: int, journal: JournalId, partitions: int, limits: Limits, *, now: Callable[[], datetime]
) -> OwnedJournal:
    """The journal in a directory whose lock is held; where it cannot be opened, the lock is let go of."""
    try:
        recovered = recover(directory) or _begin(directory, journal, partitions, limits)
        _check_journal(directory, recovered.journal, journal)
        _check_partitions(directory, recovered.partitions, partitions)
        return OwnedJournal(Journal(directory, recovered, limits, now), lock)
    except BaseException:
        os.close(lock)
        raise


def _check_journal(directory: Path, found: JournalId, expected: JournalId) -> None:
    """Two directories with one journal would give the same seqs to different events."""
    if found != expected:
        raise SegmentError(f"{directory} holds journal {found.hex()}; a journal's directory is named after it")


def _check_partitions(directory: Path, found: int, expected: int) -> None:
    if found != expected:
        raise PartitionsChangedError(f"{directory} was made for {found} partitions, not {expected}; set them back")


def _begin(directory: Path, journal: JournalId, partitions: int, limits: Limits) -> Recovered:
    header = SegmentHeader(journal, 1, partitions, {})
    os.close(create_segment(directory, header, limits.segment_bytes))
    sync_directory(directory)
    recovered = recover(directory)
    if recovered is None:
        raise OSError(f"{directory} has just been given a segment and shows none")
    return recovered
