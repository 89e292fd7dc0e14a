"""The households of the national population database (CungCapThongTinHoGiaDinh), over the exchange as practised.

Owns the question and the checks on its answer: shape, that every member is of that household, that exactly one heads
it, and that the person asked about is among them. When it is sent, and whether again, is `gateway.upstream`'s matter:
it travels beside the questions for citizens, under the same breaker and limits.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from adapters.http_exchange import HttpExchange, unusable
from adapters.national_db_wire import WireError, citizen_from_wire, version_of
from dancu.citizen.v1 import citizen_pb2
from gateway.model import CitizenNumber, HouseholdMemberRecord, HouseholdRecord
from gateway.ports import Clock, NationalDatabaseUnavailableError
from gateway.upstream.lanes import Lane, Upstream
from gateway.upstream.patience import Patience

MAX_ANSWER_BYTES = 1_048_576
_PATH = "/v1/households/lookup"


class HttpHouseholds:
    """`gateway.ports.Households` over the exchange."""

    def __init__(self, *, http: HttpExchange, upstream: Upstream, clock: Clock) -> None:
        """`upstream` decides when to ask."""
        self._http = http
        self._clock = clock
        self._lane: Lane[CitizenNumber, HouseholdRecord] = upstream.lane(self._ask)

    async def household_of(self, number: CitizenNumber, patience: Patience) -> HouseholdRecord:
        """The household of the holder of a personal number, as of now."""
        try:
            async with asyncio.timeout(max(0.0, patience.until - self._clock.monotonic())):
                return await self._lane.ask(number, patience)
        except TimeoutError as error:
            raise NationalDatabaseUnavailableError("no answer before the caller's deadline") from error

    async def _ask(
        self, numbers: Sequence[CitizenNumber], *, timeout_seconds: float
    ) -> Sequence[HouseholdRecord | Exception]:
        (number,) = numbers
        request_id = uuid.uuid4().hex
        # The moment of asking, not of the answer: the household can be no older than that.
        as_of = self._clock.now()
        answer = await self._http.post(
            _PATH,
            {"MaYeuCau": request_id, "SoDinhDanh": number.digits},
            timeout_seconds=timeout_seconds,
            max_bytes=MAX_ANSWER_BYTES,
        )
        if not isinstance(answer, dict) or answer.get("MaYeuCau") != request_id:
            raise unusable("MaYeuCau is not the request's")
        try:
            return [self._read(answer, number, as_of)]
        except WireError as error:
            return [NationalDatabaseUnavailableError(f"unusable answer: {error}")]

    def _read(self, answer: dict[str, Any], number: CitizenNumber, as_of: float) -> HouseholdRecord:
        result = answer.get("KetQua")
        if result not in {"TIM_THAY", "KHONG_CO_HO", "KHONG_TIM_THAY"}:
            raise WireError("KetQua is not a known code")
        household_id, members = _household(answer.get("HoGiaDinh"), number) if result == "TIM_THAY" else ("", ())
        return HouseholdRecord(number, result != "KHONG_TIM_THAY", household_id, members, as_of, self._clock.now())


def _household(wire: Any, number: CitizenNumber) -> tuple[str, tuple[HouseholdMemberRecord, ...]]:
    if not isinstance(wire, dict) or not isinstance(wire.get("ThanhVien"), list):
        raise WireError("HoGiaDinh is not a household")
    members = tuple([_member(member) for member in wire["ThanhVien"]])
    household_id = wire.get("SoSoHoKhau")
    if not isinstance(household_id, str) or {member.citizen.household.household_id for member in members} != {
        household_id
    }:
        raise WireError("SoSoHoKhau is not that of every member")
    if [member.relation for member in members].count(citizen_pb2.HOUSEHOLD_RELATION_HEAD) != 1:
        raise WireError("ThanhVien has not exactly one head")
    numbers = [member.citizen.personal_number for member in members]
    if number.digits not in numbers or len(set(numbers)) != len(numbers):
        raise WireError("about another household")
    return household_id, tuple(sorted(members, key=_head_first))


def _member(wire: Any) -> HouseholdMemberRecord:
    if not isinstance(wire, dict):
        raise WireError("ThanhVien holds what is not an object")
    citizen = citizen_from_wire(wire.get("CongDan", {}))
    # The relation stands in the member's own record as well, where its codes are read.
    return HouseholdMemberRecord(citizen.household.relation, citizen, version_of(wire["CongDan"]))


def _head_first(member: HouseholdMemberRecord) -> bool:
    return member.relation != citizen_pb2.HOUSEHOLD_RELATION_HEAD
