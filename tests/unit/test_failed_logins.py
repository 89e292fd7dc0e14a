"""How often logins may fail: who is held back, for how long, and who is not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.accounts.failed_logins import FailedLogins


@dataclass(frozen=True)
class Claim:
    name: str

    def claim(self) -> str:
        return self.name


STRANGER = Claim("")
NEIGHBOUR = Claim("neighbour")
GOOD = Claim("good")
PEER = "192.0.2.7"


def fail(failures: FailedLogins, times: int, peer: str = PEER, claim: Claim = STRANGER, *, now: float = 0.0) -> None:
    for _ in range(times):
        failures.count(peer, claim, now=now)


def test_the_burst_may_fail_and_the_next_must_wait_until_one_is_forgiven() -> None:
    """RetryInfo is exact: who waits that long is checked again."""
    failures = FailedLogins(burst=3, per_minute=6)
    fail(failures, 2)
    assert failures.wait_seconds(PEER, STRANGER, now=0) == 0
    fail(failures, 1)
    assert failures.wait_seconds(PEER, STRANGER, now=0) == pytest.approx(10)
    assert failures.wait_seconds(PEER, STRANGER, now=9.99) > 0
    assert failures.wait_seconds(PEER, STRANGER, now=10.01) == 0
    fail(failures, 1, now=10.01)
    assert failures.wait_seconds(PEER, STRANGER, now=10.01) == pytest.approx(10, abs=0.02)
    assert failures.wait_seconds(PEER, STRANGER, now=100) == 0


def test_a_broken_neighbour_behind_the_same_address_locks_out_itself_alone() -> None:
    """A province has one address; one system of it with a wrong key must not stop the others."""
    failures = FailedLogins(burst=3, per_minute=6)
    fail(failures, 50, claim=NEIGHBOUR)
    fail(failures, 50, claim=STRANGER)
    assert failures.wait_seconds(PEER, NEIGHBOUR, now=0) > 0
    assert failures.wait_seconds(PEER, STRANGER, now=0) > 0
    assert failures.wait_seconds(PEER, GOOD, now=0) == 0


def test_strangers_share_one_count_whatever_they_claim() -> None:
    """Who tries identifiers must not get a fresh count with each of them."""
    failures = FailedLogins(burst=3, per_minute=6)
    fail(failures, 3)
    assert failures.wait_seconds(PEER, Claim(""), now=0) > 0
    assert failures.wait_seconds("192.0.2.8", STRANGER, now=0) == 0


@pytest.mark.parametrize(
    ("other", "wait"),
    [("2001:db8:0:1::ffff", 60), ("2001:db8:0:2::1", 0), ("2001:0db8:0000:0001:0:0:0:9", 60)],
)
def test_an_ipv6_site_is_one_place(other: str, wait: float) -> None:
    """A site is given 2^64 addresses; each with a count of its own would be no limit."""
    failures = FailedLogins(burst=1, per_minute=1)
    fail(failures, 1, "2001:db8:0:1::1")
    assert failures.wait_seconds(other, STRANGER, now=0) == wait


def test_memory_stays_bounded_and_what_is_forgiven_is_dropped() -> None:
    """An attacker has more addresses than we have memory."""
    failures = FailedLogins(burst=1, per_minute=60, most=100)
    for number in range(1000):
        failures.count(f"10.0.{number // 256}.{number % 256}", STRANGER, now=0)
    assert len(failures._forgiven_at) == 100
    assert failures.wait_seconds("10.0.3.231", STRANGER, now=0) > 0
    failures.count(PEER, STRANGER, now=1_000)
    assert list(failures._forgiven_at) == [(PEER, "")]


def test_a_unix_socket_is_a_place_too() -> None:
    """A proxy on this machine may use one."""
    failures = FailedLogins(burst=1, per_minute=1)
    fail(failures, 1, "")
    assert failures.wait_seconds("", STRANGER, now=0) > 0
