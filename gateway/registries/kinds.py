"""The registries there are, each declared once: its contract, its rights, its cache and its limits.

Adding one is one proto, one adapter and one declaration here (docs/adding-a-registry.md). Pure; knows messages of the
contract and nothing that answers them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from dancu.registry.v1 import (
    civil_status_pb2,
    digital_identity_pb2,
    driving_licences_pb2,
    enterprises_pb2,
    registry_service_pb2,
    social_insurance_pb2,
)

SERVICE = "dancu.registry.v1.RegistryService"


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long copies of a registry's records may serve."""

    ttl: timedelta = timedelta(hours=6)
    """A copy older than this is forgotten, whatever callers accept."""
    negative_ttl: timedelta = timedelta(seconds=60)
    """How long "nothing under this number" is remembered."""
    staleness_ceiling: timedelta = timedelta(hours=6)
    """The oldest copy given as an answer while the registry works, whatever accounts are allowed elsewhere."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps one registry's trouble its own."""

    most_in_flight: int = 64
    """Questions of one worker under way; beyond it callers are told to come back rather than queued."""
    failures_to_open: int = 5
    """Failures in a row after which it is not asked for a while."""
    open_for: timedelta = timedelta(seconds=5)
    """How long; then one question tries whether it answers again."""


@dataclass(frozen=True, slots=True)
class RegistryKind:
    """One registry. Its request, response and record are messages of the contract with the usual field names."""

    name: str
    """Qualifies rights and records, labels metrics, and names the record's field in `response`."""
    method: str
    """Full name of the RPC."""
    request: type[Message]
    response: type[Message]
    record: type[Message]
    cache: CachePolicy = CachePolicy()
    guards: Guards = Guards()
    by_enterprise_code: bool = False
    """Whether `request` may ask by `enterprise_code` instead of `personal_number`."""

    @property
    def scope(self) -> str:
        """The right an account needs for the method."""
        return f"registry.{self.name}"

    @property
    def descriptor(self) -> Descriptor:
        """Of the record."""
        return cast("Descriptor", self.record.DESCRIPTOR)


REGISTRIES: tuple[RegistryKind, ...] = (
    RegistryKind(
        "social_insurance",
        f"{SERVICE}/LookupSocialInsurance",
        registry_service_pb2.LookupSocialInsuranceRequest,
        registry_service_pb2.LookupSocialInsuranceResponse,
        social_insurance_pb2.SocialInsurance,
        # Contributions are booked by the month.
        cache=CachePolicy(ttl=timedelta(days=1), staleness_ceiling=timedelta(days=1)),
    ),
    RegistryKind(
        "civil_status",
        f"{SERVICE}/LookupCivilStatus",
        registry_service_pb2.LookupCivilStatusRequest,
        registry_service_pb2.LookupCivilStatusResponse,
        civil_status_pb2.CivilStatus,
        # A wedding waits for the answer that nobody is married yet.
        cache=CachePolicy(ttl=timedelta(hours=1), staleness_ceiling=timedelta(minutes=10)),
    ),
    RegistryKind(
        "driving_licences",
        f"{SERVICE}/LookupDrivingLicences",
        registry_service_pb2.LookupDrivingLicencesRequest,
        registry_service_pb2.LookupDrivingLicencesResponse,
        driving_licences_pb2.DrivingLicences,
        # Points and suspensions take effect at once on the road.
        cache=CachePolicy(ttl=timedelta(hours=1), staleness_ceiling=timedelta(minutes=10)),
    ),
    RegistryKind(
        "enterprises",
        f"{SERVICE}/LookupEnterprises",
        registry_service_pb2.LookupEnterprisesRequest,
        registry_service_pb2.LookupEnterprisesResponse,
        enterprises_pb2.Enterprises,
        by_enterprise_code=True,
    ),
    RegistryKind(
        "digital_identity",
        f"{SERVICE}/LookupDigitalIdentity",
        registry_service_pb2.LookupDigitalIdentityRequest,
        registry_service_pb2.LookupDigitalIdentityResponse,
        digital_identity_pb2.DigitalIdentity,
        # An identity that was locked must stop opening doors.
        cache=CachePolicy(ttl=timedelta(hours=1), staleness_ceiling=timedelta(minutes=5)),
    ),
)


def registry_scopes(kinds: tuple[RegistryKind, ...] = REGISTRIES) -> Mapping[str, str]:
    """The right that each registry's method needs, by full name."""
    return {kind.method: kind.scope for kind in kinds}
