"""The journal as the gateway uses it: `append` on the event loop, group commit in a thread of its own.

Owns the queue, the waiting and the answers; the files are `segment_log.py`'s. The loop's share of an append is a
future, a deque and a comparison. The thread takes all that is queued, writes and syncs once, and wakes the loop once
for all of them.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from adapters.journal.disk import Disk, OsDisk
from adapters.journal.frames import check_size
from adapters.journal.gather import Company
from adapters.journal.recovery import Recovery
from adapters.journal.segment_log import SegmentLog
from adapters.journal.segments import fresh_nonce
from gateway.audit.receipt import Receipt
from gateway.ports import JournalUnavailableError

DEFAULT_SEGMENT_BYTES = 64 << 20
DEFAULT_GATHER = timedelta(milliseconds=2)
DEFAULT_QUEUE_RECORDS = 20_000
DEFAULT_PROBE_INTERVAL = timedelta(seconds=1)

_NEVER = 1 << 62

_log = structlog.get_logger()

Stamp = Callable[[bytes, int], bytes]
"""Makes the stored bytes of a record from its payload and its index. Runs in the writer thread; MUST be pure."""
OnCommit = Callable[[float, int], None]
"""Told of each commit, in the writer thread: seconds it took, records it held. MUST NOT raise or block."""


# A plain tuple, since one is made on every call: the payloads of one append, and who waits for them.
_Call = tuple[tuple[bytes, ...], asyncio.Future[Sequence[Receipt]]]


def _same(error: Exception) -> Exception:
    return error


class FileJournal:
    """Durable evidence in segment files, one writer per directory.

    Every append MUST come from the event loop that made the first one. What was queued is written even if its caller
    goes away; a record that was acknowledged is never lost to a crash, a power cut or a failing disk.
    """

    def __init__(
        self,
        *,
        log: SegmentLog,
        origin: str,
        stamp: Stamp,
        gather: timedelta,
        queue_records: int,
        probe_interval: timedelta,
        on_commit: OnCommit | None,
    ) -> None:
        self._log = log
        self._origin = origin
        self._stamp = stamp
        self._gather_seconds = gather.total_seconds()
        self._queue_records = queue_records
        self._probe_seconds = probe_interval.total_seconds()
        self._on_commit = on_commit
        self._recovery = log.recovery
        self._company = Company()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: deque[_Call] = deque()
        # Written by the loop thread only: records queued or being written, and calls ever queued.
        self._outstanding = 0
        self._arrived = 0
        # Written by the writer thread only.
        self._taken = 0
        self._in_hand: list[_Call] = []
        self._available = False
        self._last_probe = -self._probe_seconds
        # The loop signals once `_arrived` reaches this; either thread may put it back to never, see `_wait`.
        self._wake_at = _NEVER
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closing = False
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"journal-{origin}", daemon=True)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        origin: str,
        stamp: Stamp,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        gather: timedelta = DEFAULT_GATHER,
        queue_records: int = DEFAULT_QUEUE_RECORDS,
        probe_interval: timedelta = DEFAULT_PROBE_INTERVAL,
        disk: Disk | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        nonce: Callable[[], bytes] = fresh_nonce,
        on_commit: OnCommit | None = None,
    ) -> Self:
        """Open or create the journal in `directory`; blocks until the disk has been tried once.

        Args:
            directory: one per journal; created (mode 0700) where missing.
            origin: the journal's name, as in `Receipt.origin`; a directory never changes its origin.
            stamp: makes stored bytes from payload and index.
            segment_bytes: a segment that has reached this size is followed by a new one.
            gather: the longest a commit waits for company where callers are many; zero to never wait.
            queue_records: records queued or being written before appends are refused.
            probe_interval: the least time between two attempts to start a segment on a failing disk.
            disk: the system calls; the operating system's by default.
            now: the time, for segment headers.
            nonce: 8 unpredictable bytes, for segment headers.
            on_commit: observer for metrics.

        Raises:
            JournalLockedError: another process has it open.
            JournalDamagedError: acknowledged records are missing or changed.
            OSError: the directory cannot be read or created. A disk that cannot be written is no error here: the
                journal opens unavailable and keeps trying.
        """
        log = SegmentLog.open(
            directory=directory,
            origin=origin,
            segment_bytes=segment_bytes,
            disk=disk if disk is not None else OsDisk(),
            now=now,
            nonce=nonce,
        )
        journal = cls(
            log=log,
            origin=origin,
            stamp=stamp,
            gather=gather,
            queue_records=queue_records,
            probe_interval=probe_interval,
            on_commit=on_commit,
        )
        found = log.recovery
        if found.cut_bytes or found.kept_records:
            _log.warning(
                "journal_recovered",
                origin=origin,
                cut_bytes=found.cut_bytes,
                segment=found.segment,
                reason=found.reason,
                kept_records=found.kept_records,
            )
        journal._thread.start()
        journal._started.wait()
        return journal

    @property
    def available(self) -> bool:
        """Whether appends are accepted: False from a failed write or sync until a probe succeeds, and once closing."""
        return self._available and not self._closing

    def recovered(self) -> Recovery:
        """What opening found: a torn tail that was cut, and the number of records kept."""
        return self._recovery

    def append(self, payloads: Sequence[bytes]) -> asyncio.Future[Sequence[Receipt]]:
        """Queue records to be written together; the future gives their receipts once all are on disk.

        Queued is queued: cancelling the future withdraws nothing. MUST be called on the event loop.

        The future fails with `JournalUnavailableError` where durability could not be shown (the records may then exist
        or not, the caller MUST NOT answer), and at once, with nothing queued, while the disk fails, the queue is full
        or the journal is closing. It fails with `RecordTooLargeError`, and none of this call's records is written,
        where one of them is over the format's limit.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        future: asyncio.Future[Sequence[Receipt]] = loop.create_future()
        outstanding = self._outstanding + len(payloads)
        if not self._available or self._closing or outstanding > self._queue_records:
            future.set_exception(JournalUnavailableError(self._refusal()))
            return future
        self._outstanding = outstanding
        self._calls.append((tuple(payloads), future))
        self._arrived += 1
        if self._arrived >= self._wake_at:
            self._wake_at = _NEVER
            self._signal.put(None)
        return future

    async def close(self) -> None:
        """Write and answer what is queued, then give up the files and the lock. May be called again."""
        self._closing = True
        self._signal.put(None)
        await asyncio.to_thread(self._thread.join)

    def _refusal(self) -> str:
        if self._closing:
            return "the journal is closed"
        return "the journal's queue is full" if self._available else "the journal's disk is failing"

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise RuntimeError("a journal belongs to one event loop")
        self._loop = loop

    # The rest runs in the writer thread, but for `_resolve` and `_reject`.

    def _run(self) -> None:
        try:
            self._probe()
            self._started.set()
            while not self._closing or self._calls:
                if self._log.established:
                    self._serve()
                else:
                    self._endure()
        except BaseException:  # noqa: BLE001  # a thread that dies must not leave callers waiting
            _log.exception("journal_writer_died", origin=self._origin)
        finally:
            self._available = False
            self._closing = True
            if self._loop is not None:
                # On the loop, after any append under way there: nobody waits for ever, nobody is told yes.
                self._on_loop(self._refuse_rest)
            self._started.set()
            self._log.close()

    def _serve(self) -> None:
        if not self._wait(self._taken + 1, None):
            return
        wanted = self._company.wanted() if self._gather_seconds else 1
        if wanted > 1:
            deadline = time.monotonic() + self._gather_seconds
            while self._arrived < self._taken + wanted and not self._closing:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._wait(self._taken + wanted, left)
        calls = self._take()
        if calls:
            self._in_hand = calls
            self._company.committed(len(calls))
            self._commit(calls)
            self._in_hand = []

    def _endure(self) -> None:
        """The disk fails: refuse what slipped in, and try again when it is time."""
        self._refuse(self._take(), "the journal's disk is failing")
        if self._closing:
            return
        left = self._last_probe + self._probe_seconds - time.monotonic()
        if left > 0:
            self._wait(self._taken + 1, left)
        else:
            self._probe()

    def _probe(self) -> None:
        self._last_probe = time.monotonic()
        try:
            self._log.establish()
        except OSError as error:
            _log.error("journal_unavailable", origin=self._origin, error=str(error))
            return
        self._available = True

    def _wait(self, arrived: int, seconds: float | None) -> bool:
        """Sleep until the `arrived`-th call is queued, closing begins, or the time is over; may wake early."""
        while not self._signal.empty():
            self._signal.get_nowait()
        self._wake_at = arrived
        # The loop compares after it counts and this thread counts after it sets: one of them sees the other.
        if self._arrived < arrived and not self._closing:
            try:
                self._signal.get(timeout=seconds)
            except queue.Empty:
                self._wake_at = _NEVER
                return False
        self._wake_at = _NEVER
        return self._arrived >= arrived

    def _take(self) -> list[_Call]:
        calls = [self._calls.popleft() for _ in range(len(self._calls))]
        self._taken += len(calls)
        return calls

    def _commit(self, calls: list[_Call]) -> None:
        began = time.perf_counter()
        stored, kept = self._stamp_all(calls)
        try:
            leaf_hashes = self._log.commit(stored) if stored else []
        except Exception as error:  # noqa: BLE001  # whatever failed, durability was not shown
            self._available = False
            _log.error("journal_commit_failed", origin=self._origin, error=str(error))
            self._refuse(kept, "the records could not be written")
            if time.monotonic() - self._last_probe >= self._probe_seconds:
                self._probe()
            return
        index = self._log.next_index - len(stored)
        receipts = [Receipt(self._origin, index + at, leaf) for at, leaf in enumerate(leaf_hashes)]
        answers: list[tuple[_Call, Sequence[Receipt]]] = []
        at = 0
        for call in kept:
            until = at + len(call[0])
            answers.append((call, receipts[at:until]))
            at = until
        self._on_loop(partial(self._resolve, answers))
        if self._on_commit is not None:
            self._observe(time.perf_counter() - began, len(stored))

    def _observe(self, seconds: float, records: int) -> None:
        assert self._on_commit is not None
        try:
            self._on_commit(seconds, records)
        except Exception:  # noqa: BLE001  # monitoring never stops evidence
            _log.exception("journal_observer_failed", origin=self._origin)

    def _stamp_all(self, calls: list[_Call]) -> tuple[list[bytes], list[_Call]]:
        stored: list[bytes] = []
        kept: list[_Call] = []
        index = self._log.next_index
        for call in calls:
            try:
                records = [self._stamp(payload, index + at) for at, payload in enumerate(call[0])]
                for record in records:
                    check_size(record)
            except Exception as error:  # noqa: BLE001  # one bad record is its caller's error, not the others'
                self._on_loop(partial(self._reject, [call], partial(_same, error)))
                continue
            stored += records
            kept.append(call)
            index += len(records)
        return stored, kept

    def _refuse(self, calls: list[_Call], reason: str) -> None:
        if calls:
            self._on_loop(partial(self._reject, calls, partial(JournalUnavailableError, reason)))

    def _on_loop(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The loop was closed with callers still waiting: there is nobody left to tell.
            _log.warning("journal_loop_gone", origin=self._origin)

    def _resolve(self, answers: list[tuple[_Call, Sequence[Receipt]]]) -> None:
        for (payloads, future), receipts in answers:
            self._outstanding -= len(payloads)
            if not future.done():
                future.set_result(receipts)

    def _reject(self, calls: list[_Call], error: Callable[[], Exception]) -> None:
        for payloads, future in calls:
            self._outstanding -= len(payloads)
            if not future.done():
                future.set_exception(error())

    def _refuse_rest(self) -> None:
        self._reject(self._in_hand + self._take(), partial(JournalUnavailableError, "the journal is closed"))
