"""What one of several workers may use of a limit that is counted in each worker apart. Pure."""

from __future__ import annotations


def share_of(limit: int, workers: int) -> int:
    """The even part of a whole number, rounded down but never to nothing.

    The parts together stay at or under the limit, but where the limit is smaller than the number of workers.
    """
    return max(1, limit // workers)


def share_of_rest(limit: int, used: int, workers: int) -> int:
    """The even part of what is left of a daily quota, rounded down, even to nothing: a quota is never overdrawn."""
    return max(0, limit - used) // workers
