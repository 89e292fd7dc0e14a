"""What the gateway needs of the world, as contracts. Adapters implement them; a contract suite runs on each.

A port names what is raised and what MUST NOT happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.accounts.model import ApiKey, Binding, LimitNode
from gateway.audit.receipt import Receipt
from gateway.errors import Reason
from gateway.model import CitizenNumber, CitizenRecord, HouseholdRecord
from gateway.upstream.failures import UpstreamUnavailableError
from gateway.upstream.patience import Patience


class Clock(Protocol):
    """Time. Tests turn its hands."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class JournalUnavailableError(Exception):
    """Durability cannot be shown: disk full, I/O error, queue full, or the journal is closed."""


class Journal(Protocol):
    """Durable evidence of what was asked and answered."""

    @property
    def available(self) -> bool:
        """False from a failed write until one succeeds again."""

    def append(self, payloads: Sequence[bytes]) -> asyncio.Future[Sequence[Receipt]]:
        """Queue serialised `AuditRecord`s as one batch; the future resolves once every one is on disk.

        The future fails with `JournalUnavailableError` if durability cannot be shown; the records may then exist or
        not, and the caller MUST NOT answer. The records are queued before this returns: cancelling the future
        MUST NOT withdraw them, so that a caller who hangs up erases nothing. MUST NOT block the event loop.
        """


NationalDatabaseUnavailableError = UpstreamUnavailableError
"""The name under which the use cases know it: the national database is the upstream they speak of."""


class AmbiguousNumberError(Exception):
    """Several citizens hold this legacy number."""


class NationalDatabase(Protocol):
    """The national population database."""

    async def find(self, number: CitizenNumber, patience: Patience) -> CitizenRecord:
        """The record behind a number, as of this call or later; `citizen` is None when nobody holds it.

        Raises `AmbiguousNumberError` and `NationalDatabaseUnavailableError`. MUST NOT return a record whose number is
        not the one asked for, and MUST NOT send a question for which nobody has `patience` any more.
        """


class Households(Protocol):
    """The households of the national population database."""

    async def household_of(self, number: CitizenNumber, patience: Patience) -> HouseholdRecord:
        """The household of the holder of a personal number, as of this call or later.

        Raises `NationalDatabaseUnavailableError`, at the latest when nobody has `patience` any more. MUST NOT return a
        household that the holder is not a member of.
        """


class IdentityCache(Protocol):
    """Copies of upstream records. Losing it costs time, never correctness: no method raises.

    A change of a record reaches it from outside. From then on no older copy is answered, and none comes in late.
    """

    @property
    def vouched_seconds(self) -> float:
        """The greatest age at which a copy may now be taken for fresh, whatever callers accept.

        Infinite while changes are heard of.
        """

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:
        """A copy at hand, without waiting, with `data_as_of` at or after `not_before`; else None: ask `get`."""

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:
        """The nearest copy with `data_as_of` at or after `not_before`; else the latest one held; else None.

        MUST NOT return another number's record.
        """

    def ticket(self) -> int:
        """Taken before the national database is asked; grows with every change heard of."""

    def changed_since(self, number: CitizenNumber, ticket: int) -> bool:
        """Whether the record may have changed since, as far as this worker heard."""

    def is_contended(self, number: CitizenNumber) -> bool:
        """Whether other workers are likely to be looking for it at this moment too."""

    async def put(self, record: CitizenRecord, *, ticket: int) -> None:
        """Keep a copy that was asked for after `ticket` was taken.

        At hand before this first waits. MUST NOT replace a later state, nor bring back what a change took away.
        """


@dataclass(frozen=True, slots=True)
class Admission:
    """What a limiter decided.

    `refused_by` is None when admitted; otherwise nothing was taken from any node, and a retry after
    `retry_after_seconds` succeeds unless others were faster.
    """

    refused_by: LimitNode | None
    retry_after_seconds: float
    remaining: int | None
    """Citizens left at once on the tightest node; None where nothing limits."""
    reason: Reason | None = None
    """When refused: RATE_LIMITED or DAILY_QUOTA_EXHAUSTED."""


class Limiter(Protocol):
    """Counts what was taken from each node, all-or-nothing. Which limits apply is decided elsewhere.

    `nodes` are of one organisation and have a rate or a daily quota.
    """

    async def admit(self, nodes: Sequence[LimitNode], cost: int) -> Admission:
        """Take `cost` citizens from every node, or from none.

        MUST NOT admit more than a node's limits. MUST NOT raise: when the shared count is out of reach it counts
        on its own, stricter.
        """


class QuotaUnknownError(Exception):
    """The records cannot be counted now."""


class QuotaSource(Protocol):
    """How much of a daily quota the records say is used; asked once per node and day, and after a loss of counters."""

    async def used_on(self, node: LimitNode, day: int) -> int:
        """Citizens asked for under the node on a local day (`gateway.accounts.quota.day_of`).

        Raises `QuotaUnknownError`. May lag behind by what is not ingested yet.
        """


class MissBudget(Protocol):
    """Counts citizens not found and claims that do not match, to stop those who try numbers.

    `nodes` have `misses_per_hour`. No method raises.
    """

    def blocked(self, nodes: Sequence[LimitNode]) -> tuple[LimitNode, float] | None:
        """The node whose budget is used up with the seconds until one more is allowed, as far as this worker knows.

        Another worker's misses are known from the next miss here on: all workers together may pass the budget by one
        call each.
        """

    async def debit(self, nodes: Sequence[LimitNode], misses: int) -> None:
        """Count misses on every node, whatever is left."""


class Directory(Protocol):
    """The accounts as last known; a lookup is a dictionary access."""

    def key(self, key_id: str) -> ApiKey | None:
        """The key of that identifier with its account, or None."""

    def binding(self, name: str) -> Binding | None:
        """The binding of that name (`gateway.accounts.model.binding_name`) with its account, or None."""

    def used(self, credential_id: str, *, at: float) -> None:
        """A call came in with this key or binding, proven. MUST NOT block: it is reported later and in bulk."""


class TokenRejectedError(Exception):
    """The token is not one of the issuer's; the text says why, for the log, and repeats nothing of it."""


class TokenKeysUnavailableError(Exception):
    """The issuer's keys cannot be had, so that nothing can be said about the token."""

    def __init__(self, cause: str, *, retry_after_seconds: float) -> None:
        super().__init__(cause)
        self.retry_after_seconds = retry_after_seconds


class TokenVerifier(Protocol):
    """Checks signatures of access tokens against the keys of their issuer."""

    @property
    def generation(self) -> int:
        """Another number whenever the keys are others: what was verified before must then be verified anew."""

    async def verify(self, token: str) -> Mapping[str, Any]:
        """The claims of a token (JWS compact form) that a key of the issuer signed. Judges no claim.

        Raises `TokenRejectedError` and `TokenKeysUnavailableError`. MUST NOT accept an algorithm that was not allowed,
        `none`, a symmetric one, or a key that the token itself brings or points to. MUST NOT ask the issuer more often
        than at a bounded rate, whatever tokens arrive.
        """


class CallObserver(Protocol):
    """Told of every finished call, for metrics. MUST NOT raise and MUST NOT block."""

    def call_started(self) -> None:
        """A call entered the pipeline."""

    def call_finished(
        self, *, method: str, code: str, source: str, organisation: str, seconds: float, reason: str
    ) -> None:
        """A call left it. `method` and `organisation` are known names or empty, never what a stranger sent."""

    def cache_request(self, *, layer: str, result: str) -> None:
        """A cache layer (`l1`, `l2`) answered `hit`, `miss`, `stale` or `error`."""

    def would_refuse(self, reason: str) -> None:
        """A limit in shadow mode would have refused a call, which goes on."""

    def degraded(self, dependency: str, *, is_degraded: bool) -> None:
        """A dependency is gone, or back."""
