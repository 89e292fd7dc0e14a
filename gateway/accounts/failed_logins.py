"""How often logins may fail, per address and claim. Pure; every moment is given.

Failures are counted, not calls: whoever shows the right credential takes nothing. And they are counted apart for each
known key or binding that is claimed, with one further count for all strangers of the address, so that a neighbour
behind the same address who tries a wrong or a revoked key in a loop locks out itself, not the province
(`docs/decisions/0010`).

A count is one number, the moment at which it is forgiven in full (the generic cell rate algorithm, ITU-T I.371).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Protocol

MOST_COUNTS = 10_000
"""Counts kept at once; beyond that the one that failed longest ago is forgotten."""


class Claiming(Protocol):
    """A credential, as far as it concerns this."""

    def claim(self) -> str:
        """The known key or binding it names; empty for a stranger's."""


class FailedLogins:
    """Token buckets of one worker: `burst` failures at once, and `per_minute` in the long run."""

    def __init__(self, *, burst: int, per_minute: float, most: int = MOST_COUNTS) -> None:
        self._interval = 60.0 / per_minute
        self._tolerance = (burst - 1) * self._interval
        self._most = most
        self._forgiven_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def wait_seconds(self, peer: str, credential: Claiming, *, now: float) -> float:
        """Seconds until another failure is affordable; 0 lets the credential be checked. `now` never goes back."""
        if not self._forgiven_at:
            return 0.0
        forgiven_at = self._forgiven_at.get((_network_of(peer), credential.claim()))
        return 0.0 if forgiven_at is None else max(0.0, forgiven_at - now - self._tolerance)

    def count(self, peer: str, credential: Claiming, *, now: float) -> None:
        """The credential was wrong."""
        key = (_network_of(peer), credential.claim())
        self._forgiven_at[key] = max(self._forgiven_at.get(key, 0.0), now) + self._interval
        self._forgiven_at.move_to_end(key)
        while len(self._forgiven_at) > self._most or next(iter(self._forgiven_at.values())) <= now:
            self._forgiven_at.popitem(last=False)


@lru_cache(maxsize=4096)
def _network_of(peer: str) -> str:
    """What is counted as one place: an IPv4 address, the /64 of an IPv6 one (what a single site is given)."""
    if ":" not in peer:
        return peer
    address = ip_address(peer)
    return str(IPv6Address(int(address) >> 64 << 64))
