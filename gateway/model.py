"""The nouns of the gateway that more than one area uses.

Owns the shape of a call and of its answer, citizen numbers and records. Refuses to know how any of them is
carried, stored or fetched.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from dancu.citizen.v1 import citizen_pb2


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate a caller showed, its chain and the possession of its key proven to the transport."""

    fingerprint: str
    """SHA-256 of the certificate, in lower-case hexadecimal."""
    uris: tuple[str, ...]
    """URIs of its subject alternative names."""
    dns_names: tuple[str, ...]
    """DNS names of its subject alternative names, in lower case."""
    not_after: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as a transport hands it over."""

    method: str
    """Full method without the leading slash: `dancu.citizen.v1.CitizenService/LookupCitizen`."""
    request: bytes = field(repr=False)
    """The serialised request message, as received."""
    metadata: Mapping[str, str] = field(repr=False)
    """ASCII request metadata; names are lower case; the last of a repeated name."""
    peer: str
    """Network address of the caller without the port; empty for a unix socket."""
    deadline: float | None
    """On the clock's monotonic scale, in seconds; None when the caller set none."""
    certificate: ClientCertificate | None = None
    """What the caller showed on a port that asks for a certificate; None on any other."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a transport sends back."""

    response: bytes = field(repr=False)
    trailing: tuple[tuple[str, str], ...]


class NumberKind(enum.Enum):
    """Which numbering a citizen number belongs to."""

    PERSONAL = "personal"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, repr=False)
class CitizenNumber:
    """A syntactically valid number of a citizen. Never shows itself in a repr, a log line or an error."""

    kind: NumberKind
    digits: str

    def __repr__(self) -> str:
        return f"CitizenNumber({self.kind.value}, ****)"

    __str__ = __repr__

    def __hash__(self) -> int:
        """Of the digits alone: their length tells the kind, and a list has five hundred to look up."""
        return hash(self.digits)


@dataclass(frozen=True, slots=True, repr=False)
class CitizenRecord:
    """The whole upstream record of one citizen, or the fact that nobody holds the number.

    `citizen` is None for the latter. Times are seconds since the epoch. Instances are shared between calls:
    nobody changes the message.
    """

    number: CitizenNumber
    citizen: citizen_pb2.Citizen | None
    version: int
    data_as_of: float
    fetched_at: float

    def __repr__(self) -> str:
        held = "held" if self.citizen is not None else "not held"
        return f"CitizenRecord({self.number!r}, {held}, version={self.version})"


@dataclass(frozen=True, slots=True, repr=False)
class HouseholdRecord:
    """The household of one citizen with the whole record of every member, or the fact that there is none.

    Times are seconds since the epoch. Nobody changes the messages.
    """

    number: CitizenNumber
    """Whose household was asked for."""
    is_held: bool
    """Whether anybody holds the number."""
    household_id: str
    """Empty where the citizen belongs to no household."""
    members: tuple[HouseholdMemberRecord, ...]
    """The head first; empty where there is no household."""
    data_as_of: float
    fetched_at: float

    def __repr__(self) -> str:
        return f"HouseholdRecord({self.number!r}, {len(self.members)} members)"


@dataclass(frozen=True, slots=True, repr=False)
class HouseholdMemberRecord:
    """One member of a household."""

    relation: citizen_pb2.HouseholdRelation.ValueType
    citizen: citizen_pb2.Citizen
    version: int

    def __repr__(self) -> str:
        return f"HouseholdMemberRecord(****, version={self.version})"


class Secret:
    """Bytes that never show themselves."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes; call it where they are used and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class VersionedSecret:
    """One key of a key ring. `version` counts from 1; the highest is the current one."""

    version: int
    secret: Secret
