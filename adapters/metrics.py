"""Prometheus metrics of every process of a machine, shared through memory-mapped files.

Owns names, labels and buckets, and the files. Knows nothing of HTTP nor of why a call ended as it did. Evidence is
the journal's matter: here the newest numbers may be lost, and nothing may ever stop or fail a call.

Each process has a name that survives its restarts, such as `worker-0`, and its files carry that name: counters and
histograms of a restarted worker go on where they were, gauges begin at zero.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of the directory the processes share."""

LATENCY_BUCKETS = (
    *(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0),
)
"""Seconds: from a cached answer to the longest wait that makes sense."""
BATCH_BUCKETS = tuple(2.0**power for power in range(11))
"""Records in one commit, 1 to 1024."""
FLUSH_SECONDS = 0.25
"""How far the files may lag behind."""

ADMISSION_REASONS = frozenset(
    {"RATE_LIMITED", "DAILY_QUOTA_EXHAUSTED", "TOO_MANY_IN_FLIGHT", "ENUMERATION_SUSPECTED", "OVERLOADED"}
)

LOGIN_REASONS = frozenset(
    {
        *("KEY_MISSING", "KEY_UNKNOWN", "KEY_EXPIRED", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED"),
        *("CERTIFICATE_MISMATCH", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_UNKNOWN", "TOKEN_KEYS_UNAVAILABLE"),
        "TOO_MANY_FAILED_LOGINS",
    }
)

_RESERVED_BYTES = {"counter": 4 * 1_048_576, "histogram": 1_048_576, "gauge_livesum": 65_536, "gauge_livemax": 65_536}
_DAMAGE = (OSError, RuntimeError, ValueError, LookupError, struct.error)


def configure(process_name: str, directory: Path) -> bool:
    """Keep this process's numbers in files of `directory`; call before the first metric is made.

    `process_name` is of `a-z`, `0-9` and `-`, and unique among the processes that run; raises ValueError otherwise.
    False where the files cannot be made, as on a full disk: numbers then stay in this process's memory, unseen, and
    the process does its work. Their space is reserved at once: a page of a mapped file that finds the disk full would
    kill the process.
    """
    if not re.fullmatch(r"[a-z0-9-]+", process_name):
        raise ValueError(f"process name {process_name!r} is not of a-z, 0-9 and '-'")
    try:
        _make_files(process_name, directory)
    except OSError:
        values.ValueClass = values.MutexValue
        return False
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: process_name)  # type: ignore[no-untyped-call]
    return True


def scrape(directory: Path, accept: str = "") -> tuple[bytes, str]:
    """The numbers of all processes added up: the body, and its content type as `accept` (an HTTP header) prefers.

    Blocks while it reads. A file that is damaged, or being made at this moment, is left out.
    """
    registry = CollectorRegistry()
    registry.register(_Files(directory))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class PrometheusObserver:
    """Counts calls and what they meet. No method raises or blocks.

    No label takes what a stranger sent: methods, organisations and reasons are known names. What happens on every
    call is added up here and written to the files a few times a second, at a tenth of the cost of writing each; it
    is counted on one thread, the event loop's. The other methods are safe from any thread.
    """

    def __init__(self, *, version: str, registry: CollectorRegistry | None = None) -> None:
        """`version` of the gateway, for `dancu_build_info`. One observer for each process."""
        own = registry or CollectorRegistry()
        calls = Counter("dancu_calls", "Calls answered.", ("method", "code", "source"), registry=own)
        seconds = Histogram(
            "dancu_call_seconds",
            "Time from the arrival of a call to its answer.",
            ("method",),
            buckets=LATENCY_BUCKETS,
            registry=own,
        )
        organisation_calls = Counter(
            "dancu_organisation_calls",
            "Calls answered, by who asked.",
            ("organisation", "method", "code"),
            registry=own,
        )
        cache = Counter("dancu_cache_requests", "Cache look-ups.", ("layer", "result"), registry=own)
        refused = Counter(
            "dancu_admission_refused", "Calls refused for a limit or overload.", ("reason",), registry=own
        )
        logins_refused = Counter(
            "dancu_logins_refused", "Calls refused before it was known who asks.", ("reason",), registry=own
        )
        would_refuse = Counter(
            "dancu_admission_shadow_refused",
            "Calls that a limit in shadow mode would have refused.",
            ("reason",),
            registry=own,
        )
        self._in_flight = Gauge("dancu_in_flight", "Calls under way.", multiprocess_mode="livesum", registry=own)
        self._commit = Histogram(
            "dancu_journal_commit_seconds",
            "Time to write and sync one batch of audit records.",
            buckets=LATENCY_BUCKETS,
            registry=own,
        )
        self._batch = Histogram(
            "dancu_journal_batch_records",
            "Audit records made durable by one sync.",
            buckets=BATCH_BUCKETS,
            registry=own,
        )
        degraded = Gauge(
            "dancu_degraded",
            "1 while the gateway goes on without this dependency.",
            ("dependency",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._feed_lag = Gauge(
            "dancu_change_feed_lag_seconds",
            "For how long changes of the national database may have waited that no cache was told of.",
            multiprocess_mode="livemax",
            registry=own,
        )
        build = Gauge(
            "dancu_build_info",
            "Always 1; the labels say what runs.",
            ("version", "python"),
            multiprocess_mode="livemax",
            registry=own,
        )
        build.labels(version, platform.python_version()).set(1)
        self._calls = Children(calls)
        self._seconds = Children(seconds)
        self._organisation_calls = Children(organisation_calls)
        self._cache = Children(cache)
        self._tallies: dict[tuple[str, str, str, str], _Tally] = {}
        self._cache_tallies: dict[tuple[str, str], int] = {}
        self._under_way = 0
        self._flush_is_due = False
        self._refused = Children(refused)
        self._logins_refused = Children(logins_refused)
        self._would_refuse = Children(would_refuse)
        self._degraded = Children(degraded)

    def call_started(self) -> None:
        """A call entered the pipeline."""
        self._under_way += 1
        if not self._flush_is_due:
            self._flush_soon()

    def call_finished(
        self, *, method: str, code: str, source: str, organisation: str, seconds: float, reason: str
    ) -> None:
        """A call left it; see `gateway.ports.CallObserver`."""
        self._under_way -= 1
        key = (method, code, source, organisation)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally()
        tally.calls += 1
        tally.seconds += seconds
        tally.buckets[bisect_left(LATENCY_BUCKETS, seconds)] += 1
        if reason in ADMISSION_REASONS:
            self._refused[reason,].inc()
        elif reason in LOGIN_REASONS:
            self._logins_refused[reason,].inc()
        if not self._flush_is_due:
            self._flush_soon()

    def cache_request(self, *, layer: str, result: str) -> None:
        """A cache layer answered; see `gateway.ports.CallObserver`."""
        self._cache_tallies[layer, result] = self._cache_tallies.get((layer, result), 0) + 1
        if not self._flush_is_due:
            self._flush_soon()

    def flush(self) -> None:
        """Write what was added up; runs by itself while there is an event loop, and once more before a process ends."""
        self._flush_is_due = False
        self._in_flight.set(self._under_way)
        for (method, code, source, organisation), tally in self._tallies.items():
            if not tally.calls:
                continue
            self._calls[method, code, source].inc(tally.calls)
            if organisation:
                self._organisation_calls[organisation, method, code].inc(tally.calls)
            _observe_all(self._seconds[method,], tally)
            tally.clear()
        for labels, requests in self._cache_tallies.items():
            self._cache[labels].inc(requests)
        self._cache_tallies.clear()

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        self._flush_is_due = True
        loop.call_later(FLUSH_SECONDS, self.flush)

    def would_refuse(self, reason: str) -> None:
        """A limit in shadow mode would have refused a call."""
        self._would_refuse[reason,].inc()

    def degraded(self, dependency: str, *, is_degraded: bool) -> None:
        """A dependency is gone, or back."""
        self._degraded[dependency,].set(1 if is_degraded else 0)

    def change_feed_lag(self, seconds: float) -> None:
        """How far the following of changes is behind; see `gateway.citizens.ports.FollowerObserver`."""
        self._feed_lag.set(seconds)

    def journal_committed(self, seconds: float, records: int) -> None:
        """A batch of audit records is on disk: the `on_commit` of the journal, called on its writer's thread."""
        self._commit.observe(seconds)
        self._batch.observe(records)


class _Tally:
    """Calls of one kind since the last flush."""

    __slots__ = ("buckets", "calls", "seconds")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS) + 1)


def _observe_all(histogram: Histogram, tally: _Tally) -> None:
    """Add many observations at once, which the library has no public way for; a test holds it to `observe`."""
    histogram._sum.inc(tally.seconds)  # noqa: SLF001
    for bucket, count in zip(histogram._buckets, tally.buckets, strict=True):  # noqa: SLF001
        if count:
            bucket.inc(count)


_MetricT = TypeVar("_MetricT", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], _MetricT], Generic[_MetricT]):
    """The children of a metric by their labels: found here in a tenth of the time `labels()` takes."""

    def __init__(self, metric: _MetricT) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> _MetricT:
        child = self._metric.labels(*labels)
        self[labels] = child
        return child


class _Files(Collector):
    """Reads the files of all processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in sorted(self._directory.glob("*.db"))]
        try:
            return _merged(files)
        except _DAMAGE:
            return _merged([file for file in files if _is_sound(Path(file))])


def _merged(files: Sequence[str]) -> list[Metric]:
    return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def _is_sound(path: Path) -> bool:
    """Whether the library can read the file and go on writing it: it believes the length in the first four bytes."""
    try:
        with path.open("rb") as file:
            (used,) = struct.unpack("i", file.read(4))
        _merged([str(path)])
    except _DAMAGE:
        return False
    return 0 <= int(used) <= path.stat().st_size


def _make_files(process_name: str, directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind, size in _RESERVED_BYTES.items():
        path = directory / f"{kind}_{process_name}.db"
        if kind.startswith("gauge") or not _is_sound(path):
            path.unlink(missing_ok=True)
        _reserve(path, size)


def _reserve(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)
