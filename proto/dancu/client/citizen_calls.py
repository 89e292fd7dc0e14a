"""What a client may ask of citizens beside one lookup: verifications, households and many citizens at once.

Owns the building of these requests and the reading of their answers for both clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from dancu.citizen.v1.citizen_pb2 import Citizen, Claims
from dancu.citizen.v1.citizen_service_pb2 import (
    BulkLookupCitizensItem,
    BulkLookupCitizensRequest,
    BulkLookupCitizensResponse,
    BulkLookupCitizensResult,
    ClaimResult,
    HouseholdMember,
    LookupHouseholdRequest,
    LookupHouseholdResponse,
    VerifyCitizenRequest,
    VerifyCitizenResponse,
)
from dancu.client.calls import Answer, OneCitizen, RateLimit, Why, purpose_of, set_number
from dancu.client.refusals import Refused, refusal_in
from dancu.common.v1.common_pb2 import Provenance

VERIFY_CITIZEN = "dancu.citizen.v1.CitizenService/VerifyCitizen"
LOOKUP_HOUSEHOLD = "dancu.citizen.v1.CitizenService/LookupHousehold"
BULK_LOOKUP_CITIZENS = "dancu.citizen.v1.CitizenService/BulkLookupCitizens"

MAX_BULK_ITEMS = 500
LEGACY_DIGITS = 9


class VerifyArguments(OneCitizen, total=False):
    """What a verification asks. One number, `claims` and one of `purpose` and `procedure` are required."""

    max_staleness: timedelta | None
    """The oldest copy to compare with, as in `LookupArguments`."""


class HouseholdArguments(OneCitizen, total=False):
    """Whose household. One number and one of `purpose` and `procedure` are required."""

    fields: Iterable[str]
    """Paths of `Citizen` wanted of each member, as in `LookupArguments`."""


class BulkArguments(Why, total=False):
    """What is asked of many citizens. One of `purpose` and `procedure` is required."""

    fields: Iterable[str]
    """Paths of `Citizen` wanted of each, as in `LookupArguments`."""
    max_staleness: timedelta | None
    """The oldest copies accepted, as in `LookupArguments`."""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """A verdict on each claim, and the evidence of the question."""

    results: tuple[ClaimResult, ...]
    provenance: Provenance
    request_id: str
    receipt: str
    rate_limit: RateLimit | None

    @classmethod
    def of(cls, answer: Answer[VerifyCitizenResponse]) -> VerifyResult:
        """The result that an answer holds."""
        message = answer.message
        return cls(tuple(message.results), message.provenance, answer.request_id, answer.receipt, answer.rate_limit)


@dataclass(frozen=True, slots=True)
class HouseholdResult:
    """A household as far as the account may see it, and the evidence of the question."""

    household_id: str
    members: tuple[HouseholdMember, ...]
    provenance: Provenance
    request_id: str
    receipts: tuple[str, ...]
    """One for each member."""
    rate_limit: RateLimit | None

    @classmethod
    def of(cls, answer: Answer[LookupHouseholdResponse]) -> HouseholdResult:
        """The result that an answer holds."""
        message = answer.message
        return cls(
            message.household_id,
            tuple(message.members),
            message.provenance,
            answer.request_id,
            answer.receipts,
            answer.rate_limit,
        )


@dataclass(frozen=True, slots=True)
class BulkItem:
    """The answer to one item: a citizen with its provenance, or a refusal."""

    citizen: Citizen | None
    provenance: Provenance | None
    refused: Refused | None
    receipt: str

    @classmethod
    def of(cls, result: BulkLookupCitizensResult, *, request_id: str) -> BulkItem:
        """The item that a result holds."""
        if result.HasField("status"):
            refused = refusal_in(result.status, request_id=request_id, receipt=result.receipt)
            return cls(None, None, refused, result.receipt)
        return cls(result.citizen, result.provenance, None, result.receipt)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """As many items as were asked for, in their order."""

    items: tuple[BulkItem, ...]
    request_id: str
    rate_limit: RateLimit | None

    @classmethod
    def of(cls, answer: Answer[BulkLookupCitizensResponse]) -> BulkResult:
        """The result that an answer holds."""
        items = tuple([BulkItem.of(result, request_id=answer.request_id) for result in answer.message.items])
        return cls(items, answer.request_id, answer.rate_limit)


def bulk_item(number: str, claims: Claims | None = None) -> BulkLookupCitizensItem:
    """One item: nine digits are a legacy number, everything else is taken for a personal one."""
    if len(number) == LEGACY_DIGITS and number.isdigit():
        return BulkLookupCitizensItem(legacy_number=number, claims=claims)
    return BulkLookupCitizensItem(personal_number=number, claims=claims)


def verify_request(arguments: VerifyArguments) -> VerifyCitizenRequest:
    """The request that the arguments mean. Raises TypeError where a number or a purpose is missing or named twice."""
    request = VerifyCitizenRequest(
        purpose=purpose_of(arguments), claims=arguments.get("claims"), request_id=arguments.get("request_id", "")
    )
    set_number(request, arguments)
    max_staleness = arguments.get("max_staleness")
    if max_staleness is not None:
        request.max_staleness.FromTimedelta(max_staleness)
    return request


def household_request(arguments: HouseholdArguments) -> LookupHouseholdRequest:
    """The request that the arguments mean. Raises TypeError where a number or a purpose is missing or named twice."""
    request = LookupHouseholdRequest(
        purpose=purpose_of(arguments), claims=arguments.get("claims"), request_id=arguments.get("request_id", "")
    )
    set_number(request, arguments)
    request.read_mask.paths.extend(arguments.get("fields", ()))
    return request


def bulk_request(items: Iterable[BulkLookupCitizensItem | str], arguments: BulkArguments) -> BulkLookupCitizensRequest:
    """The request that the arguments mean; numbers stand for items without claims. Raises TypeError as above."""
    request = BulkLookupCitizensRequest(
        items=[bulk_item(item) if isinstance(item, str) else item for item in items],
        purpose=purpose_of(arguments),
        request_id=arguments.get("request_id", ""),
    )
    request.read_mask.paths.extend(arguments.get("fields", ()))
    max_staleness = arguments.get("max_staleness")
    if max_staleness is not None:
        request.max_staleness.FromTimedelta(max_staleness)
    return request
