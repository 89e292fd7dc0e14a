"""How one upstream is to be treated, as plain values; `gateway.settings` says what breaks when one is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long."""

    window_seconds: float = 10.0
    """What counts as recent."""
    min_requests: int = 5
    """Fewer recent requests than this prove nothing."""
    failure_ratio: float = 0.5
    """Opens when so many of the recent requests failed."""
    open_seconds: float = 5.0
    """Middle of the period for which it stays open; drawn from half of it to one and a half."""


@dataclass(frozen=True, slots=True)
class UpstreamPolicy:
    """Limits of one upstream, for one worker."""

    timeout_seconds: float = 3.0
    """Of one request."""
    min_connections: int = 2
    """The concurrency limit never falls below it."""
    max_connections: int = 32
    """Nor does it rise above it."""
    max_waiting: int = 5_000
    """Questions."""
    gather_seconds: float = 0.01
    """How long a question waits for company while requests follow each other closely."""
    attempts: int = 3
    """Of one request, the first one included."""
    retry_share: float = 0.1
    """Retries per request sent."""
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)

    def breaker_in_force(self) -> BreakerPolicy:
        """The breaker, with a window that also sees a system that hangs.

        Requests to it end only as fast as they time out, with the fewest under way; in a shorter window there would
        never be enough of them.
        """
        seconds_to_see = self.breaker.min_requests * self.timeout_seconds / self.min_connections
        return replace(self.breaker, window_seconds=max(self.breaker.window_seconds, 1.5 * seconds_to_see))
