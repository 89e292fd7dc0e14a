"""A national database of a few people, whose answers a test can hold back or break."""

from __future__ import annotations

import asyncio

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.model import CitizenNumber, CitizenRecord, HouseholdMemberRecord, HouseholdRecord
from gateway.ports import AmbiguousNumberError, Clock, NationalDatabaseUnavailableError
from gateway.upstream.patience import Patience

AN = citizen_pb2.Citizen(
    personal_number="097090000001",
    legacy_number="500000001",
    full_name="Nguyễn Văn An",
    surname="Nguyễn",
    middle_name="Văn",
    given_name="An",
    birth_date=common_pb2.BirthDate(year=1990, month=2, day=14),
    sex=citizen_pb2.SEX_MALE,
    ethnicity_code="01",
    nationality="VN",
    permanent_residence=citizen_pb2.Address(province_code="01", province_name="Thành phố Hà Nội", detail="Số 1"),
    marital_status=citizen_pb2.MARITAL_STATUS_MARRIED,
    household=citizen_pb2.HouseholdMembership(
        household_id="400000001",
        head=citizen_pb2.Relative(full_name="Trần Thị Bình", personal_number="098185000002"),
        relation=citizen_pb2.HOUSEHOLD_RELATION_SPOUSE,
    ),
    life_status=citizen_pb2.LIFE_STATUS_ALIVE,
)
BINH = citizen_pb2.Citizen(
    personal_number="098185000002",
    full_name="Trần Thị Bình",
    birth_date=common_pb2.BirthDate(year=1985),
    sex=citizen_pb2.SEX_FEMALE,
    household=citizen_pb2.HouseholdMembership(
        household_id="400000001",
        head=citizen_pb2.Relative(full_name="Trần Thị Bình", personal_number="098185000002"),
        relation=citizen_pb2.HOUSEHOLD_RELATION_HEAD,
    ),
    life_status=citizen_pb2.LIFE_STATUS_ALIVE,
)
CHI = citizen_pb2.Citizen(
    personal_number="097015000003",
    full_name="Nguyễn Thị Chi",
    birth_date=common_pb2.BirthDate(year=2015, month=7, day=1),
    household=citizen_pb2.HouseholdMembership(
        household_id="400000001",
        head=citizen_pb2.Relative(full_name="Trần Thị Bình", personal_number="098185000002"),
        relation=citizen_pb2.HOUSEHOLD_RELATION_CHILD,
    ),
    life_status=citizen_pb2.LIFE_STATUS_ALIVE,
)
DUNG = citizen_pb2.Citizen(
    personal_number="099040000004", full_name="Đặng Văn Dũng", life_status=citizen_pb2.LIFE_STATUS_DECEASED
)
"""Dead, and so of no household."""
NOBODY = "099099999999"
SHARED_LEGACY = "500000009"


class FakeNationalDatabase:
    """`gateway.ports.NationalDatabase`. `asked` lists every question that reached it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people = {citizen.personal_number: citizen for citizen in (AN, BINH, CHI, DUNG)}
        self._people[AN.legacy_number] = AN
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.down = False
        self.broken: Exception | None = None
        self.version = 1

    async def find(self, number: CitizenNumber, patience: Patience) -> CitizenRecord:
        left = patience.until - self._clock.monotonic()
        if left <= 0:
            raise NationalDatabaseUnavailableError("nobody waits")
        self.asked.append(number.digits)
        as_of = self._clock.now()
        try:
            await asyncio.wait_for(self.gate.wait(), left)
        except TimeoutError as error:
            raise NationalDatabaseUnavailableError("no answer in time") from error
        if self.broken is not None:
            raise self.broken
        if self.down:
            raise NationalDatabaseUnavailableError("outage", retry_after_seconds=2.5)
        if number.digits == SHARED_LEGACY:
            raise AmbiguousNumberError
        citizen = self._people.get(number.digits)
        return CitizenRecord(number, citizen, self.version if citizen else 0, as_of, self._clock.now())

    async def household_of(self, number: CitizenNumber, patience: Patience) -> HouseholdRecord:
        """`gateway.ports.Households`."""
        record = await self.find(number, patience)
        members = (BINH, AN, CHI) if record.citizen in (AN, BINH, CHI) else ()
        return HouseholdRecord(
            number,
            record.citizen is not None,
            "400000001" if members else "",
            tuple(HouseholdMemberRecord(one.household.relation, one, self.version) for one in members),
            record.data_as_of,
            record.fetched_at,
        )
