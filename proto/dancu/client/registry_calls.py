"""The registries as a client asks them: one constant for each, typed by its record.

A further registry takes one constant here. Owns the building of their requests and the reading of their answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypedDict, TypeVar, cast

from google.protobuf.message import Message

from dancu.citizen.v1.citizen_pb2 import Claims
from dancu.client.calls import Answer, LookupArguments, RateLimit, purpose_of
from dancu.common.v1.common_pb2 import Provenance, Purpose
from dancu.registry.v1 import registry_service_pb2 as service
from dancu.registry.v1.civil_status_pb2 import CivilStatus
from dancu.registry.v1.digital_identity_pb2 import DigitalIdentity
from dancu.registry.v1.driving_licences_pb2 import DrivingLicences
from dancu.registry.v1.enterprises_pb2 import Enterprises
from dancu.registry.v1.social_insurance_pb2 import SocialInsurance

Record = TypeVar("Record", bound=Message)

_SERVICE = "dancu.registry.v1.RegistryService"


@dataclass(frozen=True, slots=True)
class RegistryResult(Generic[Record]):
    """What a registry holds, narrowed to what the account may see and asked for, and the evidence of the question."""

    record: Record
    provenance: Provenance
    request_id: str
    receipt: str
    """Of the question's first record; `ListDisclosures` knows the others."""
    rate_limit: RateLimit | None


@dataclass(frozen=True, slots=True)
class RegistryCall(Generic[Record]):
    """How one registry is asked."""

    name: str
    """As in rights and refusals; also the field of `response` that holds the record."""
    method: str
    request: type[Message]
    response: type[Message]
    record: type[Record]

    def result(self, answer: Answer[Any]) -> RegistryResult[Record]:
        """The result that an answer holds."""
        told = answer.message
        record: Record = getattr(told, self.name)
        return RegistryResult(record, told.provenance, answer.request_id, answer.receipt, answer.rate_limit)


class RegistryArguments(TypedDict, total=False):
    """What a lookup in a registry asks. One number and one of `purpose` and `procedure` are required."""

    personal_number: str
    """12 digits."""
    enterprise_code: str
    """10 digits; the enterprise register only."""
    fields: Iterable[str]
    """Paths of the registry's record, such as "licences.points"; absent: every field the account may see."""
    purpose: Purpose
    """Why the question is asked."""
    procedure: str
    """Short for a purpose of which only the procedure's code is stated."""
    claims: Claims
    """What the caller claims to know of the person; compared with the population before the registry is asked."""
    max_staleness: timedelta | None
    """The oldest copy accepted, 0 to 30 days; zero goes to the registry."""
    request_id: str
    """The caller's own identifier of the call; absent: one made by the gateway."""


SOCIAL_INSURANCE = RegistryCall(
    "social_insurance",
    f"{_SERVICE}/LookupSocialInsurance",
    service.LookupSocialInsuranceRequest,
    service.LookupSocialInsuranceResponse,
    SocialInsurance,
)
CIVIL_STATUS = RegistryCall(
    "civil_status",
    f"{_SERVICE}/LookupCivilStatus",
    service.LookupCivilStatusRequest,
    service.LookupCivilStatusResponse,
    CivilStatus,
)
DRIVING_LICENCES = RegistryCall(
    "driving_licences",
    f"{_SERVICE}/LookupDrivingLicences",
    service.LookupDrivingLicencesRequest,
    service.LookupDrivingLicencesResponse,
    DrivingLicences,
)
ENTERPRISES = RegistryCall(
    "enterprises",
    f"{_SERVICE}/LookupEnterprises",
    service.LookupEnterprisesRequest,
    service.LookupEnterprisesResponse,
    Enterprises,
)
DIGITAL_IDENTITY = RegistryCall(
    "digital_identity",
    f"{_SERVICE}/LookupDigitalIdentity",
    service.LookupDigitalIdentityRequest,
    service.LookupDigitalIdentityResponse,
    DigitalIdentity,
)

REGISTRIES: dict[str, RegistryCall[Any]] = {
    call.name: call
    for call in cast(
        "tuple[RegistryCall[Any], ...]",
        (SOCIAL_INSURANCE, CIVIL_STATUS, DRIVING_LICENCES, ENTERPRISES, DIGITAL_IDENTITY),
    )
}
"""Every registry by name."""


def registry_request(registry: RegistryCall[Any], arguments: RegistryArguments) -> Message:
    """The request that the arguments mean; whether their values are valid is the gateway's to judge.

    Raises TypeError where a number or a purpose is missing or named twice, and for a code where none can be asked for.
    """
    if ("personal_number" in arguments) == ("enterprise_code" in arguments):
        raise TypeError("exactly one of personal_number and enterprise_code is needed")
    request: Any = registry.request(
        purpose=purpose_of(cast("LookupArguments", arguments)),
        claims=arguments.get("claims"),
        request_id=arguments.get("request_id", ""),
    )
    if "personal_number" in arguments:
        request.personal_number = arguments["personal_number"]
    elif registry is ENTERPRISES:
        request.enterprise_code = arguments["enterprise_code"]
    else:
        raise TypeError(f"{registry.name} is not asked by enterprise_code")
    request.read_mask.paths.extend(arguments.get("fields", ()))
    max_staleness = arguments.get("max_staleness")
    if max_staleness is not None:
        request.max_staleness.FromTimedelta(max_staleness)
    return cast("Message", request)
