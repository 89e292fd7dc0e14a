"""What is known of a call so far, and what its steps hand to each other."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import Message

from dancu.common.v1 import common_pb2
from gateway.audit.receipt import Receipt
from gateway.errors import Reason
from gateway.model import Call, CitizenNumber

if TYPE_CHECKING:
    from gateway.accounts.model import Account, LimitNode


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed and valid request, as far as the steps between parsing and handling need it."""

    message: Message = field(repr=False)
    subjects: tuple[CitizenNumber, ...]
    """The citizens asked for, in order."""
    fields: tuple[str, ...]
    """Paths asked for; empty or `*` means all that are granted."""
    purpose: common_pb2.Purpose | None
    """None for methods that disclose nothing of a citizen and so need none."""
    request_id: str
    """As stated in the message; may be empty."""
    tells: tuple[str, ...] = ()
    """Paths of `Citizen` that the answer tells of beside `fields`, such as what claims are compared with. They need a
    grant as well."""


class Disclosure(NamedTuple):
    """What became of one citizen's part of a call; becomes one audit record.

    A tuple, since a bulk call makes five hundred and a frozen dataclass takes five times as long to make.
    """

    subject: CitizenNumber | None
    fields: tuple[str, ...] = ()
    outcome: Reason | None = None
    source: common_pb2.Provenance.Source.ValueType = common_pb2.Provenance.SOURCE_UNSPECIFIED
    data_as_of: float | None = None
    target: str = ""
    """What an administrative call concerned, such as `account 01/mot-cua`."""
    mismatched: tuple[str, ...] = ()
    """Claims that an answered verification found not to match."""
    items: int = 0
    """How many items of a bulk call it stands for, where they are one record; 0 means one."""

    @property
    def miss(self) -> Reason | None:
        """What counts against the budget of misses, if anything does."""
        return Reason.IDENTITY_MISMATCH if self.mismatched else self.outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """A handled question: what to send, and what it discloses."""

    response: Message = field(repr=False)
    disclosures: tuple[Disclosure, ...]
    further: int = 0
    """Citizens told of beyond those charged when the call was admitted; charged before they are told."""
    attach: Callable[[Sequence[Receipt]], None] | None = None
    """Puts the receipts, one per disclosure, into the response, where it tells each citizen's."""


class AuditClass(enum.Enum):
    """How a method is recorded."""

    PER_CITIZEN = "one record per citizen asked for"
    PER_CALL = "one record per call"


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC with everything the pipeline must know of it. Declared once, in `gateway.calls.methods`."""

    name: str
    """`dancu.citizen.v1.CitizenService/LookupCitizen`."""
    scope: str
    """The right an account needs."""
    cost: Callable[[Question], int]
    """Citizens charged against the limits."""
    audit: AuditClass
    parse: Callable[[bytes], Question]
    """Raises `InvalidRequestError` with every violation."""
    handle: Callable[[Question, Inquiry], Awaitable[Answer]]
    admin_roles: frozenset[str] = frozenset()
    """The roles that may call it, for methods of the admin port; empty for public ones."""
    is_bulk: bool = False
    """Whether a program waits for it rather than a person: it is the first to be shed under overload."""


@dataclass(slots=True)
class Inquiry:
    """What is known of a call so far. Each step fills in its part; the audit record is written from it."""

    call: Call
    method: Method
    request_id: str
    trace_id: bytes
    arrived: float
    """Seconds since the epoch."""
    started: float
    """Monotonic seconds."""
    credential_id: str = ""
    account: Account | None = None
    question: Question | None = None
    source: common_pb2.Provenance.Source.ValueType = common_pb2.Provenance.SOURCE_UNSPECIFIED
    recorded: bool = False
    """Whether a record was queued; from then on it stands, whatever becomes of the caller."""
    limit_nodes: Sequence[LimitNode] = ()
    """The limits it stands under."""
    rate_limit: Sequence[tuple[str, str]] = field(default=())
