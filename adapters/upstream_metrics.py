"""What a worker tells Prometheus about the systems it asks."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from adapters.metrics import LATENCY_BUCKETS, Children


class Degraded(Protocol):
    """`gateway.ports.CallObserver.degraded`."""

    def __call__(self, dependency: str, *, is_degraded: bool) -> None:
        """A dependency is gone, or back."""


class UpstreamMetrics:
    """`gateway.upstream.ports.UpstreamObserver`; create it after `adapters.metrics.configure`.

    Labels are names of registries from the settings and words of ours. Counting is per request, each of which carries
    many questions where many are asked.
    """

    def __init__(self, *, degraded: Degraded, registry: CollectorRegistry | None = None) -> None:
        """One for each process, whatever the number of upstreams."""
        own = registry or CollectorRegistry()
        self._degraded = degraded
        self._seconds = Children(
            Histogram(
                "dancu_upstream_seconds",
                "Time of one request to a national database or registry.",
                ("registry", "outcome"),
                buckets=LATENCY_BUCKETS,
                registry=own,
            )
        )
        self._questions = Children(
            Counter("dancu_upstream_questions", "Questions sent.", ("registry", "outcome"), registry=own)
        )
        self._retries = Children(Counter("dancu_upstream_retries", "Requests sent again.", ("registry",), registry=own))
        self._refused = Children(
            Counter("dancu_upstream_refused", "Questions refused unsent.", ("registry", "why"), registry=own)
        )
        self._breaker = Children(
            Gauge(
                "dancu_upstream_breaker_open",
                "1 while calls to this registry are refused at once.",
                ("registry",),
                multiprocess_mode="livemax",
                registry=own,
            )
        )
        self._limit = Children(
            Gauge(
                "dancu_upstream_concurrency_limit",
                "Requests that may be under way now, of all workers together.",
                ("registry",),
                multiprocess_mode="livesum",
                registry=own,
            )
        )

    def request_ended(self, registry: str, *, outcome: str, seconds: float, questions: int) -> None:
        """A request ended."""
        self._seconds[registry, outcome].observe(seconds)
        self._questions[registry, outcome].inc(questions)

    def retried(self, registry: str) -> None:
        """A failed request is sent again."""
        self._retries[registry,].inc()

    def refused(self, registry: str, *, why: str, questions: int) -> None:
        """Questions were refused unsent."""
        self._refused[registry, why].inc(questions)

    def breaker(self, registry: str, *, is_open: bool) -> None:
        """The upstream is no longer asked, or is asked again."""
        self._breaker[registry,].set(1 if is_open else 0)
        self._degraded(registry, is_degraded=is_open)

    def concurrency(self, registry: str, *, limit: int) -> None:
        """So many requests may now be under way."""
        self._limit[registry,].set(limit)
