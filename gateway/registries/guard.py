"""Keeps one registry's trouble its own: a breaker, and a cap on questions under way.

Owns when a registry is not asked. Refuses to know how it is asked.

    closed ─ failures in a row ─▶ open ─ after a while ─▶ one trial ─▶ closed, or open again
"""

from __future__ import annotations

from gateway.ports import Clock
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.registries.ports import Registry, RegistryObserver, RegistryUnavailableError

_RETRY_SOON_SECONDS = 0.25


class GuardedRegistry:
    """`Registry` that fails at once where asking would only make things worse."""

    def __init__(self, registry: Registry, *, kind: RegistryKind, clock: Clock, observer: RegistryObserver) -> None:
        """`kind` says how much is too much."""
        self._registry = registry
        self._kind = kind
        self._clock = clock
        self._observer = observer
        self._in_flight = 0
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    async def find(self, subject: RegistrySubject, *, timeout_seconds: float) -> RegistryRecord:
        """Ask, unless the breaker is open or too many questions are under way."""
        trial = self._enter()
        self._in_flight += 1
        try:
            record = await self._registry.find(subject, timeout_seconds=timeout_seconds)
        except RegistryUnavailableError as error:
            self._failed(trial=trial)
            error.retry_after_seconds = max(error.retry_after_seconds, self._seconds_closed())
            raise
        finally:
            self._in_flight -= 1
            if trial:
                self._trying = False
        self._answered()
        return record

    def _enter(self) -> bool:
        """Whether this question is the trial that decides for all. Raises where it may not be asked."""
        trial = self._open_until is not None
        if trial and (self._trying or self._seconds_closed() > 0):
            raise RegistryUnavailableError(
                "the breaker is open", retry_after_seconds=max(self._seconds_closed(), _RETRY_SOON_SECONDS)
            )
        if self._in_flight >= self._kind.guards.most_in_flight:
            raise RegistryUnavailableError("too many questions under way", retry_after_seconds=_RETRY_SOON_SECONDS)
        self._trying = trial
        return trial

    def _seconds_closed(self) -> float:
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock.monotonic())

    def _failed(self, *, trial: bool) -> None:
        self._failures += 1
        if trial or self._failures >= self._kind.guards.failures_to_open:
            self._open_until = self._clock.monotonic() + self._kind.guards.open_for.total_seconds()
            self._observer.breaker(registry=self._kind.name, is_open=True)

    def _answered(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._observer.breaker(registry=self._kind.name, is_open=False)
