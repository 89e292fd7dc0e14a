"""The adaptive limit: a slowing upstream gets air, a well one gets work."""

from __future__ import annotations

import pytest

from gateway.upstream.concurrency import EPOCH_SECONDS, ConcurrencyLimit


class World:
    """An upstream that serves `capacity` requests at its own speed; beyond that they queue in it."""

    def __init__(self, *, capacity: int, seconds: float = 0.1, fewest: int = 2, most: int = 32) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self.fewest = fewest
        self.limit = ConcurrencyLimit(fewest=fewest, most=most)
        self.now = 1_000.0

    def latency(self) -> float:
        return self.seconds * max(1.0, self.limit.requests / self.capacity)

    def run(self, seconds: float, *, was_full: bool = True, size: int = 1) -> None:
        end = self.now + seconds
        while self.now < end:
            took = self.latency()
            began, self.now = self.now, self.now + took
            for _ in range(self.limit.requests):
                self.limit.answered(began=began, now=self.now, size=size, was_full=was_full)


@pytest.mark.parametrize(
    ("capacity", "most", "low", "high"),
    [(1_000, 32, 32, 32), (8, 64, 8, 18), (4, 64, 4, 10), (1, 64, 2, 6), (1_000, 1, 1, 1)],
    ids=["ample", "eight", "four", "one", "single"],
)
def test_it_settles_near_what_the_upstream_bears(capacity: int, most: int, low: int, high: int) -> None:
    """Beyond its capacity more requests bring no more answers, only longer waits for everybody."""
    world = World(capacity=capacity, most=most, fewest=min(2, most))
    world.run(20)
    seen = []
    for _ in range(1_000):
        world.run(0.5)
        if world.limit.requests > world.fewest:  # else it may be measuring
            seen.append(world.limit.requests)
    assert low <= min(seen, default=world.fewest)
    assert max(seen, default=world.fewest) <= high


def test_a_slowing_upstream_is_given_air_and_a_recovered_one_work() -> None:
    """Somebody else's load slows the system down: pushing on would bury it for all."""
    world = World(capacity=1_000)
    world.run(20)
    assert world.limit.requests == 32
    world.seconds = 0.4
    world.run(8)
    assert world.limit.requests <= 4
    world.seconds = 0.1
    world.run(20)
    assert world.limit.requests == 32


def test_it_learns_that_a_system_has_become_slower_for_good() -> None:
    """A system moved to a farther place must not be starved for ever."""
    world = World(capacity=1_000)
    world.run(20)
    world.seconds = 0.4
    world.run(EPOCH_SECONDS * 1.9)
    assert world.limit.requests == 32


def test_failures_halve_it_once_per_round_and_never_below_the_fewest() -> None:
    """Ten requests that fail together are one piece of news."""
    limit = ConcurrencyLimit(fewest=2, most=32)
    for step in range(1_000):
        limit.answered(began=step, now=step + 0.1, size=1, was_full=True)
    assert limit.requests == 32
    for _ in range(10):
        limit.failed(began=2_000, now=2_001)
    assert limit.requests == 16
    for step in range(10):
        limit.failed(began=2_010 + step, now=2_010 + step + 0.5)
    assert limit.requests == 2


def test_what_is_not_used_does_not_grow() -> None:
    """A quiet night must not end with the highest limit at the morning's rush."""
    world = World(capacity=1_000)
    world.run(60, was_full=False)
    assert world.limit.requests == 2


def test_large_requests_are_compared_with_large_ones() -> None:
    """A hundred questions take longer than one: that is no congestion."""
    limit = ConcurrencyLimit(fewest=2, most=32)
    now = 1_000.0
    for _ in range(300):
        for size, took in ((1, 0.05), (100, 0.5)):
            limit.answered(began=now, now=now + took, size=size, was_full=True)
            now += took
    assert limit.requests == 32


def test_jitter_of_a_fast_system_is_no_congestion() -> None:
    """On a local network a millisecond more is not a sign of anything."""
    limit = ConcurrencyLimit(fewest=2, most=32)
    now = 1_000.0
    for step in range(1_000):
        took = 0.001 if step % 100 else 0.030
        limit.answered(began=now, now=now + took, size=1, was_full=True)
        now += took
    assert limit.requests == 32
