"""Organisations, accounts, officers, bindings, keys and requests as they are managed: what stands in the store.

Immutable. A worker's view of them, compiled for calls, is `gateway.accounts.model`; policies here are as written.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from gateway.accounts.model import AccountStatus, BindingKind, Limits, Policy, binding_name


class OrganisationKind(enum.Enum):
    """What an organisation is."""

    MINISTRY = "ministry"
    PROVINCE = "province"
    OTHER = "other"


class RequestState(enum.Enum):
    """What became of a request for an account."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class OrganisationEntry:
    """A ministry, province or other body."""

    code: str
    name: str
    kind: OrganisationKind
    status: AccountStatus
    limits: Limits

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.code,)

    def __str__(self) -> str:
        return f"organisation {self.code}"


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One system of an organisation. `policy.version` grows with every change of the policy."""

    name: str
    status: AccountStatus
    policy: Policy
    limits: Limits
    test: bool = False
    admin_role: str = ""
    not_after: int | None = None
    """Seconds since the epoch."""

    @property
    def organisation(self) -> str:
        """Code of the organisation."""
        return self.name.partition("/")[0]

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.name,)

    def __str__(self) -> str:
        return f"account {self.name}"


@dataclass(frozen=True, slots=True)
class OfficerEntry:
    """A person who asks through an account."""

    account: str
    officer_id: str
    label: str
    status: AccountStatus
    limits: Limits
    not_after: int | None = None
    """Seconds since the epoch."""

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.account, self.officer_id)

    def __str__(self) -> str:
        return f"officer {self.account} {self.officer_id}"


@dataclass(frozen=True, slots=True)
class BindingEntry:
    """A certificate, a name in certificates, or the subject of access tokens, that opens an account.

    Removing one suspends it: records refer to it. Bound anew, to whichever account, it takes its own place.
    """

    kind: BindingKind
    value: str
    account: str
    label: str
    status: AccountStatus
    created_at: int
    """Seconds since the epoch; 0 in a tree as stated, which knows of no past."""
    not_after: int | None = None
    """Seconds since the epoch."""
    last_used_at: int | None = None
    """Seconds since the epoch."""

    @property
    def name(self) -> str:
        """As snapshots and records call it."""
        return binding_name(self.kind, self.value)

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.kind.value, self.value)

    def __str__(self) -> str:
        return f"binding {self.name}"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key without its secret. Times are seconds since the epoch."""

    key_id: str
    account: str
    secret_hash: bytes = field(repr=False)
    created_at: int
    not_after: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.key_id,)

    def is_live(self, now: float) -> bool:
        """Whether it opens its account."""
        return self.revoked_at is None and (self.not_after is None or now < self.not_after)


@dataclass(frozen=True, slots=True)
class RequestEntry:
    """A request for an account. Times are seconds since the epoch."""

    request_key: str
    """Identifier; begins with the time, so that lists are in order of asking."""
    organisation: str
    asker: str
    name: str
    policy: Policy
    limits: Limits
    justification: str
    state: RequestState
    created_at: int
    decision: str = ""
    decided_at: int | None = None
    key_shown_at: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What names it; lists are in this order."""
        return (self.request_key,)

    def __str__(self) -> str:
        return f"request {self.request_key} {self.name}"


TreeEntry: TypeAlias = OrganisationEntry | AccountEntry | OfficerEntry | BindingEntry
E = TypeVar("E", OrganisationEntry, AccountEntry, OfficerEntry, BindingEntry, KeyEntry, RequestEntry)
EntryKind: TypeAlias = (
    type[OrganisationEntry]
    | type[AccountEntry]
    | type[OfficerEntry]
    | type[BindingEntry]
    | type[KeyEntry]
    | type[RequestEntry]
)
KINDS: tuple[EntryKind, ...] = (OrganisationEntry, AccountEntry, OfficerEntry, BindingEntry, KeyEntry, RequestEntry)
