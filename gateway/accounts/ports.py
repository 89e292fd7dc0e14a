"""What the management of accounts needs of the world, as contracts; `tests/contract` holds every adapter to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.accounts.entries import E, KeyEntry, RequestEntry, TreeEntry
from gateway.calls.inquiry import Inquiry


class AccountsUnavailableError(Exception):
    """The store cannot be reached, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """How a change was answered the first time."""

    digest: bytes
    """Of method and body."""
    answer: bytes = field(repr=False)
    """The serialised response without any secret."""
    secret_answer: bytes | None = field(repr=False)
    """The same with the secret, as long as it may be shown again."""


class AccountReader(Protocol):
    """A consistent view of the entries."""

    async def get(self, kind: type[E], *key: str) -> E | None:
        """The entry of that key, or None."""

    async def page(self, kind: type[E], *, after: tuple[str, ...] = (), limit: int = 100_000, **equal: str) -> list[E]:
        """Entries in the order of their keys, those after `after`, at most `limit`, with these values in these fields.

        Fields: `organisation` (accounts, requests), `account` (officers, bindings, keys), `state` (requests),
        `status` and `kind` (bindings).
        """

    async def version(self) -> int:
        """The version of the directory: grows with every change that calls can notice."""


class Intents(Protocol):
    """Where it is recorded what is about to be changed."""

    async def intended(self, inquiry: Inquiry, targets: Sequence[str]) -> None:
        """Return once an intent for each target is on disk; the change MUST NOT take effect before.

        Raises `UnavailableError` (AUDIT_UNAVAILABLE) where that cannot be shown.
        """


class AccountTransaction(AccountReader, Protocol):
    """A change: all of it takes effect when the block ends, or nothing if it raises. No other runs at the time."""

    @property
    def changes(self) -> bool:
        """Whether an entry was put."""

    async def put(self, entry: TreeEntry | KeyEntry | RequestEntry) -> None:
        """Write the entry, in place of the one of its key if there is one."""

    async def moved(self) -> int:
        """Tell that calls can notice this change; returns the version it makes."""

    async def first_answer(self, asker: str, request_id: str) -> FirstAnswer | None:
        """How this account's change of that identifier was answered; None for a new one."""

    async def keep_answer(self, asker: str, request_id: str, first: FirstAnswer, *, secret_until: float) -> None:
        """Keep it; MUST NOT hold `secret_answer` readable, nor give it back after `secret_until` (epoch seconds)."""


class AccountStore(Protocol):
    """Where the entries are. Every method raises `AccountsUnavailableError` where it cannot be reached."""

    def reading(self) -> AbstractAsyncContextManager[AccountReader]:
        """A view for the block."""

    def change(self) -> AbstractAsyncContextManager[AccountTransaction]:
        """A change for the block. Once it ended, workers hear of it."""
