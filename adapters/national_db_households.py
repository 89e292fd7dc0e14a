"""The households of the national population database (CungCapThongTinHoGiaDinh), over the exchange as practised.

Owns the question and the checks on its answer: shape, that every member is of that household, that exactly one heads
it, and that the person asked about is among them. Refuses to know how a body travels: an `Exchange` posts it.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Protocol

from adapters.national_db_http import UpstreamObserver
from adapters.national_db_wire import WireError, citizen_from_wire, version_of
from dancu.citizen.v1 import citizen_pb2
from gateway.model import CitizenNumber, HouseholdMemberRecord, HouseholdRecord
from gateway.ports import Clock, NationalDatabaseUnavailableError

_PATH = "/v1/households/lookup"


class Exchange(Protocol):
    """Posts a body and gives the parsed answer."""

    async def post(self, path: str, body: object, *, timeout_seconds: float) -> Any:
        """Raises `NationalDatabaseUnavailableError`."""


class HttpHouseholds:
    """`gateway.ports.Households` over the exchange."""

    def __init__(self, exchange: Exchange, *, clock: Clock, observer: UpstreamObserver) -> None:
        """`observer` is told how long each exchange took and how it ended."""
        self._exchange = exchange
        self._clock = clock
        self._observer = observer

    async def household_of(self, number: CitizenNumber, *, timeout_seconds: float) -> HouseholdRecord:
        """The household of the holder of a personal number, as of now."""
        started = time.perf_counter()
        outcome = "broken"
        # The moment of asking, not of the answer: the household can be no older than that.
        as_of = self._clock.now()
        try:
            body = {"MaYeuCau": uuid.uuid4().hex, "SoDinhDanh": number.digits}
            answer = await self._exchange.post(_PATH, body, timeout_seconds=timeout_seconds)
            record = self._read(answer, number, as_of)
            outcome = "found" if record.is_held else "not_found"
        except WireError as error:
            raise NationalDatabaseUnavailableError(f"unusable answer: {error}") from error
        finally:
            seconds = time.perf_counter() - started
            self._observer.upstream_finished(registry="population", outcome=outcome, seconds=seconds)
        return record

    def _read(self, answer: Any, number: CitizenNumber, as_of: float) -> HouseholdRecord:
        result = answer.get("KetQua") if isinstance(answer, dict) else None
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
