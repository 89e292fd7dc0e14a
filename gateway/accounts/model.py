"""An account as a worker sees it: who it is, what it may do, and which limits it stands under.

Immutable, so that one snapshot serves every call at once. Refuses to know how accounts are stored or changed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    misses_per_hour: int | None = None
    """Citizens not found or not matching that may be asked for; above that the caller is suspected of enumeration.

    None at an account means the gateway's own budget, until `gateway.accounts.snapshot` has put it in."""
    misses_unlimited: bool = False
    """States that there is no budget of misses here. Excludes `misses_per_hour`."""


@dataclass(frozen=True, slots=True)
class LimitNode:
    """One node of the tree organisation → account → officer, with the limits that apply there."""

    name: str
    """Unique and harmless: `organisation:01`, `account:01/mot-cua`, `officer:01/mot-cua/<digest>`."""
    organisation: str
    """Code of the organisation at the root of the tree; its nodes are counted together in one place."""
    limits: Limits
    officer: str = field(default="", repr=False)
    """For a node of an officer: as the caller states who it is. For the ledger's sake; never in a key or a label."""

    def __hash__(self) -> int:
        """Of the name alone: nodes are looked up on every call."""
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Policy:
    """What an account may do. `version` grows with every change and stands in each audit record."""

    version: int
    methods: frozenset[str]
    """Rules on scopes, such as `citizen.lookup`, `citizen.*`, `!citizen.bulk`, `*`."""
    fields: frozenset[str]
    """Paths of `Citizen`, paths of registries' records with the registry's name before them, or `*`. A path grants all
    below it."""
    procedures: frozenset[str]
    """Rules on procedure codes, such as `1.004222`, `1.*`, `!1.9*`."""
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
    field_rules: frozenset[str] = frozenset()
    """The rules that `fields` was compiled from, `!` included; empty where they are `fields` itself."""
    officer_limits: Limits = Limits()
    """Limits of each officer, where the officer's registration sets none of that kind."""
    shadow: bool = False
    """Whether limits only count what they would refuse, for trying them out."""


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who asks through an account, registered with it."""

    officer_id: str
    """What `Purpose.officer_id` names."""
    status: AccountStatus
    limits: Limits = Limits()
    not_after: float | None = None
    """Seconds since the epoch; None means no expiry."""


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
    not_after: float | None = None
    """When it ends, in seconds since the epoch; None means never."""
    officers: Mapping[str, Officer] = field(default_factory=dict, hash=False)
    """The officers registered with it, by identifier."""


class BindingKind(enum.Enum):
    """What of a certificate or of an access token an account is bound to."""

    FINGERPRINT = "fingerprint"
    """SHA-256 of one certificate, in lower-case hexadecimal."""
    URI = "uri"
    """A URI among a certificate's subject alternative names."""
    DNS = "dns"
    """A DNS name among them, in lower case."""
    SUBJECT = "subject"
    """The `sub` of an access token."""
    CLIENT = "client"
    """The `client_id` (or `azp`) of an access token."""


def binding_name(kind: BindingKind, value: str) -> str:
    """`uri:spiffe://example.vn/mot-cua`: how a binding is named in snapshots, records and files."""
    return f"{kind.value}:{value}"


@dataclass(frozen=True, slots=True)
class Binding:
    """A way in that somebody else vouches for: the authority of a certificate, or the issuer of a token."""

    name: str
    """As `binding_name` makes it."""
    account: Account
    not_after: float | None = None
    """Seconds since the epoch; None means no expiry."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A way in: an identifier, the keyed hash of the secret, and the account it opens. The secret is not kept."""

    key_id: str
    secret_hash: bytes = field(repr=False)
    """HMAC-SHA256 of the secret under the pepper."""
    account: Account
    not_after: float | None = None
    """Seconds since the epoch; None means no expiry."""
