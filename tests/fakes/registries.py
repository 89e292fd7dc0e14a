"""Registries of a few records, whose answers a test can hold back or break."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from google.protobuf.message import Message

from adapters.memory_registry_cache import MemoryRegistryCache
from dancu.common.v1.common_pb2 import BirthDate
from dancu.registry.v1 import driving_licences_pb2, enterprises_pb2, registered_pb2, social_insurance_pb2
from gateway.ports import Clock
from gateway.registries.guard import GuardedRegistry
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.registries.ports import RegistryUnavailableError
from gateway.registries.records import RegistryRecords
from tests.fakes.national_db import AN, BINH

CODE = "9272199807"
AN_INSURANCE = social_insurance_pb2.SocialInsurance(
    personal_number=AN.personal_number,
    book_number="9313091931",
    full_name="NGUYEN VAN AN",
    birth_date=BirthDate(year=1990),
    status=social_insurance_pb2.SOCIAL_INSURANCE_STATUS_CONTRIBUTING,
    contributed_months=42,
    health_card=social_insurance_pb2.HealthInsuranceCard(card_number="DN4199313091931", group_code="DN"),
    contributions=[
        social_insurance_pb2.Contribution(
            kind=social_insurance_pb2.CONTRIBUTION_KIND_COMPULSORY,
            from_month=BirthDate(year=2021, month=1),
            employer_name="Công ty TNHH Bình Minh",
            monthly_base_dong=9_000_000,
        ),
        social_insurance_pb2.Contribution(
            kind=social_insurance_pb2.CONTRIBUTION_KIND_VOLUNTARY, monthly_base_dong=5_000_000
        ),
    ],
)
AN_LICENCES = driving_licences_pb2.DrivingLicences(
    personal_number=AN.personal_number,
    licences=[
        driving_licences_pb2.DrivingLicence(
            licence_number="990262376359", licence_class=driving_licences_pb2.LICENCE_CLASS_B, points=12
        )
    ],
)
ENTERPRISE = enterprises_pb2.Enterprises(
    entries=[
        enterprises_pb2.Enterprise(
            enterprise_code=CODE,
            name="CÔNG TY TNHH AN BÌNH",
            owner=registered_pb2.RegisteredPerson(full_name=AN.full_name, personal_number=AN.personal_number),
            representative=registered_pb2.RegisteredPerson(
                full_name=BINH.full_name, personal_number=BINH.personal_number
            ),
        )
    ]
)


class FakeRegistries:
    """Every registry at once: `gateway.registries.ports.Registry` for each, behind the real breaker and cache."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: dict[tuple[str, str], Message] = {
            ("social_insurance", AN.personal_number): AN_INSURANCE,
            ("driving_licences", AN.personal_number): AN_LICENCES,
            ("enterprises", CODE): ENTERPRISE,
        }
        self.asked: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.breakers: list[tuple[str, bool]] = []
        self.version = 1

    def records(self, kinds: tuple[RegistryKind, ...]) -> Mapping[RegistryKind, RegistryRecords]:
        """What `registry_methods` takes."""
        cache = MemoryRegistryCache(clock=self._clock, entries=100)
        return {
            kind: RegistryRecords(
                kind=kind,
                registry=GuardedRegistry(_One(self, kind), kind=kind, clock=self._clock, observer=self),
                cache=cache,
                clock=self._clock,
                timeout_seconds=3,
            )
            for kind in kinds
        }

    def breaker(self, *, registry: str, is_open: bool) -> None:
        self.breakers.append((registry, is_open))

    async def find(self, kind: RegistryKind, subject: RegistrySubject) -> RegistryRecord:
        self.asked.append((kind.name, subject.digits))
        as_of = self._clock.now()
        await self.gate.wait()
        if kind.name in self.down:
            raise RegistryUnavailableError("outage", retry_after_seconds=2.5)
        record = self.held.get((kind.name, subject.digits))
        version = self.version if record is not None else 0
        return RegistryRecord(kind.name, subject, record, version, as_of, self._clock.now())


class _One:
    def __init__(self, registries: FakeRegistries, kind: RegistryKind) -> None:
        self._registries = registries
        self._kind = kind

    async def find(self, subject: RegistrySubject, *, timeout_seconds: float) -> RegistryRecord:  # noqa: ARG002  the port has it
        return await self._registries.find(self._kind, subject)
