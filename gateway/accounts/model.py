"""An account as a worker sees it: who it is, what it may do, and which limits it stands under.

Immutable, so that one snapshot serves every call at once. Refuses to know how accounts are stored or changed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

EVERYTHING = "*"
"""In a list of rights: everything of its kind."""


class AccountStatus(enum.Enum):
    """Whether an account, or the organisation above it, may call at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one node of the limit tree. None means no limit of that kind."""

    rate: int | None = None
    """Citizens per second, on average."""
    burst: int | None = None
    """Citizens at once beyond the average; None with a rate means one second's worth."""
    daily: int | None = None
    """Citizens from midnight to midnight, Asia/Ho_Chi_Minh."""
    in_flight: int | None = None
    """Calls under way at the same moment."""


@dataclass(frozen=True, slots=True)
class LimitNode:
    """One node of the tree organisation → account → officer, with the limits that apply there."""

    name: str
    """Unique and harmless: `organisation:01`, `account:01/mot-cua`."""
    organisation: str
    """Code of the organisation at the root of the tree; its nodes are counted together in one place."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class Policy:
    """What an account may do. `version` grows with every change and stands in each audit record."""

    version: int
    methods: frozenset[str]
    """Scopes such as `citizen.lookup`, or `*`."""
    fields: frozenset[str]
    """Paths of `Citizen`, or `*`. A path grants all below it."""
    procedures: frozenset[str]
    """Procedure codes; a trailing `*` is a wildcard."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """From where it may call; empty means anywhere."""
    officer_required: bool = False
    identity_check: bool = False
    """A lookup must claim full name and birth date, and learns nothing unless they match (Decree 70/2024 art. 10)."""
    staleness_ceiling: timedelta = timedelta(days=1)
    """The oldest copy this account may be given."""
    stale_if_error: timedelta | None = None
    """How old a copy may be when the national database is unavailable; None forbids it."""
    confidential_until: float | None = None
    """Until when (seconds since the epoch) this account's lookups are kept from the lists shown to citizens."""


@dataclass(frozen=True, slots=True)
class Account:
    """One system of an organisation."""

    name: str
    """Unique: `<organisation code>/<account name>`."""
    organisation: str
    """Code of the organisation."""
    status: AccountStatus
    policy: Policy
    nodes: tuple[LimitNode, ...]
    """From the organisation down; all of them must admit a call."""
    test: bool = False
    """Whether it serves trials only."""
    admin_role: str = ""
    """What it may do on the admin port; empty for callers."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A way in: an identifier, the keyed hash of the secret, and the account it opens. The secret is not kept."""

    key_id: str
    secret_hash: bytes
    """HMAC-SHA256 of the secret under the pepper."""
    account: Account
    not_after: float | None = None
    """Seconds since the epoch; None means no expiry."""
