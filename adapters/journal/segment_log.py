"""The files of one journal, written by one thread: commit a batch, start a segment, survive a disk that fails.

Owns every byte of a journal directory; knows nothing of threads, futures or when to sync. States, and what is lost if
the process or the machine dies in each (nothing acknowledged, ever):

| state | lost |
|---|---|
| after `write`, before `sync` returns | any part of the batch; what is whole is kept at the next start |
| after `sync`, before the mark | nothing; the mark is older than the truth until the next start |
| after a failed `sync` | any part of the batch; what is whole may be kept, though refused |
| a segment under its unfinished name | nothing; it is removed |
| renamed, directory not synced | nothing; an empty segment is replaced under its own name |

A segment whose write or sync failed is never written or synced again: Linux reports a lost page once and then calls it
clean. Its durable end is fixed by the header of the segment that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from adapters.journal.disk import Disk
from adapters.journal.errors import JournalLockedError
from adapters.journal.frames import encode
from adapters.journal.mark import MARK_NAME, DurableMark
from adapters.journal.recovery import Found, Recovery, inspect
from adapters.journal.segments import (
    LOCK_NAME,
    UNFINISHED_NAME,
    SegmentEnd,
    SegmentHeader,
    SegmentName,
)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Current:
    """The segment being written."""

    fd: int
    name: SegmentName
    nonce: bytes
    length: int
    chain: int
    records: int = 0


class SegmentLog:
    """Not thread-safe: one thread calls everything after `open`."""

    def __init__(
        self,
        *,
        directory: Path,
        origin: str,
        segment_bytes: int,
        disk: Disk,
        now: Callable[[], datetime],
        nonce: Callable[[], bytes],
        lock_fd: int,
        found: Found,
    ) -> None:
        self._directory = directory
        self._origin = origin
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._now = now
        self._nonce = nonce
        self._lock_fd = lock_fd
        self._mark_fd: int | None = None
        self._next_index = found.recovery.next_index
        self._sequence = found.sequence
        self._previous = found.previous
        self._tail = found.tail
        self._current: _Current | None = None
        self._void: tuple[int, int] | None = None
        self.recovery: Recovery = found.recovery

    @classmethod
    def open(
        cls,
        *,
        directory: Path,
        origin: str,
        segment_bytes: int,
        disk: Disk,
        now: Callable[[], datetime],
        nonce: Callable[[], bytes],
    ) -> Self:
        """Lock the directory (created where missing) and find the journal's end. Changes no record.

        Raises `JournalLockedError`, `JournalDamagedError` and `OSError`. `establish` MUST follow before `commit`.
        """
        disk.make_directory(directory)
        lock_fd = _lock(disk, directory)
        try:
            found = inspect(disk, directory, origin)
        except BaseException:
            disk.close(lock_fd)
            raise
        return cls(
            directory=directory,
            origin=origin,
            segment_bytes=segment_bytes,
            disk=disk,
            now=now,
            nonce=nonce,
            lock_fd=lock_fd,
            found=found,
        )

    @property
    def next_index(self) -> int:
        """Index of the next record to be committed."""
        return self._next_index

    @property
    def established(self) -> bool:
        """Whether there is a segment to write to."""
        return self._current is not None

    def establish(self) -> None:
        """Settle what came before and start a new segment; raises `OSError` and may be called again after that.

        Doubles as the probe of a failing disk: it writes, syncs, renames and syncs the directory.
        """
        if self._current is not None:
            return
        self._settle_tail()
        header = SegmentHeader(
            origin=self._origin,
            sequence=self._sequence,
            first_index=self._next_index,
            nonce=self._nonce(),
            created_at=self._now(),
            previous=self._previous,
        )
        name = SegmentName(header.sequence, header.first_index)
        data, chain = header.encode()
        fd = self._create(name, data)
        self._current = _Current(fd, name, header.nonce, len(data), chain)
        self._drop_void()
        self._publish()

    def commit(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Make the records durable, all or (on error) none; returns their leaf hashes in order.

        The first one gets `next_index`. Any exception poisons the segment: the records may or may not be on disk, no
        index is used up, and `establish` MUST succeed before the next call.
        """
        try:
            if self._current is not None and self._current.length >= self._segment_bytes:
                self._finish()
                self.establish()
            current = self._current
            if current is None:
                raise OSError("there is no segment to write to")  # noqa: TRY301  # one way out for every failure
            encoded = encode(payloads, current.chain)
            self._disk.write(current.fd, encoded.data, current.length)
            self._disk.sync(current.fd)
        except BaseException:
            self._poison()
            raise
        current.length += len(encoded.data)
        current.chain = encoded.chain
        current.records += len(payloads)
        self._next_index += len(payloads)
        self._publish()
        return encoded.leaf_hashes

    def close(self) -> None:
        """Give up the files and the lock. Call after the last commit; nothing is lost where it is not called."""
        if self._mark_fd is not None:
            self._attempt("journal_mark_not_synced", partial(self._disk.sync, self._mark_fd))
            self._close(self._mark_fd)
            self._mark_fd = None
        if self._current is not None:
            self._close(self._current.fd)
            self._current = None
        if self._void is not None:
            self._close(self._void[0])
            self._void = None
        self._close(self._lock_fd)

    def _settle_tail(self) -> None:
        tail = self._tail
        if tail is None:
            return
        fd = self._disk.open(self._directory / tail.name)
        try:
            if tail.data:
                self._disk.write(fd, tail.data, tail.offset)
            end = tail.offset + len(tail.data)
            if tail.length > end:
                self._disk.truncate(fd, end)
            self._disk.sync(fd)
        finally:
            self._close(fd)
        self._tail = None

    def _create(self, name: SegmentName, data: bytes) -> int:
        unfinished = self._directory / UNFINISHED_NAME
        if UNFINISHED_NAME in self._disk.names(self._directory):
            self._disk.unlink(unfinished)
        fd = self._disk.open(unfinished, fresh=True)
        try:
            self._disk.write(fd, data, 0)
            self._disk.sync(fd)
            self._open_mark()
            self._disk.rename(unfinished, self._directory / str(name))
            self._disk.sync_directory(self._directory)
        except BaseException:
            self._close(fd)
            raise
        return fd

    def _open_mark(self) -> None:
        if self._mark_fd is None:
            self._mark_fd = self._disk.open(self._directory / MARK_NAME, create=True)

    def _publish(self) -> None:
        current, mark_fd = self._current, self._mark_fd
        assert current is not None
        assert mark_fd is not None
        mark = DurableMark(current.name.sequence, current.nonce, current.length, self._next_index)
        # The records are on disk whether or not readers can be told; the next commit tells them again.
        self._attempt("journal_mark_not_written", partial(self._disk.write, mark_fd, mark.encode(), 0))

    def _finish(self) -> None:
        current = self._current
        assert current is not None
        self._leave(current)
        self._close(current.fd)

    def _poison(self) -> None:
        current = self._current
        if current is None:
            return
        self._leave(current)
        if self._void is not None:
            self._close(self._void[0])
        self._void = (current.fd, current.length)

    def _leave(self, current: _Current) -> None:
        """Fix the end of the current segment; an empty one is replaced rather than followed."""
        self._current = None
        if current.records:
            self._previous = SegmentEnd(current.name.sequence, current.length, current.chain)
            self._sequence = current.name.sequence + 1

    def _drop_void(self) -> None:
        if self._void is None:
            return
        fd, length = self._void
        self._void = None
        # Tidiness only: the new header has said where the segment ends.
        self._attempt("journal_void_not_truncated", partial(self._disk.truncate, fd, length))
        self._close(fd)

    def _close(self, fd: int) -> None:
        # A failed close takes the descriptor and nothing else: what counts was synced before.
        self._attempt("journal_close_failed", partial(self._disk.close, fd))

    def _attempt(self, event: str, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as error:
            _log.warning(event, origin=self._origin, error=str(error))


def _lock(disk: Disk, directory: Path) -> int:
    path = directory / LOCK_NAME
    try:
        fd = disk.lock(path)
    except BlockingIOError as error:
        raise JournalLockedError(f"journal {directory} is open in another process") from error
    return fd
