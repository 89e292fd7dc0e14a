"""The five registers together, and what a question to one of them is answered.

Owns which registers there are and what found and not found mean. Refuses to know HTTP and what any register holds.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from mock_national_db.lookups import NOT_FOUND, Answer
from mock_national_db.registries import requests, rows
from mock_national_db.registries.civil_status import CivilStatus
from mock_national_db.registries.digital_identity import DigitalIdentities
from mock_national_db.registries.driving import DrivingLicences
from mock_national_db.registries.enterprises import Enterprises
from mock_national_db.registries.people import People
from mock_national_db.registries.requests import Query
from mock_national_db.registries.social_insurance import SocialInsurance
from mock_national_db.wire import Json

NAMES: Final = (
    SocialInsurance.name,
    CivilStatus.name,
    DrivingLicences.name,
    Enterprises.name,
    DigitalIdentities.name,
)
"""The registers there are; in paths with dashes."""


class Register(Protocol):
    """One register."""

    def of(self, index: int) -> Json | None:
        """Return what it holds of a person; None for nothing."""


class Registers:
    """Every register, by name."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._enterprises = Enterprises(people)
        self._social_insurance = SocialInsurance(people, self._enterprises)
        self._registers: Mapping[str, Register] = {
            SocialInsurance.name: self._social_insurance,
            CivilStatus.name: CivilStatus(people),
            DrivingLicences.name: DrivingLicences(people),
            Enterprises.name: self._enterprises,
            DigitalIdentities.name: DigitalIdentities(people),
        }

    def lookup(self, name: str, body: bytes, *, wrong: bool = False) -> Answer:
        """Answer one question. Raises InvalidRequestError."""
        request = requests.lookup(body, by_code=name == Enterprises.name)
        item = self._item(name, request.queries[0], wrong=wrong)
        return Answer({"MaYeuCau": request.request_id, **item}, int("BanGhi" in item))

    def batch(self, name: str, body: bytes, *, wrong: bool = False) -> Answer:
        """Answer as many questions as were asked, in their order. Raises InvalidRequestError."""
        request = requests.batch(body, by_code=name == Enterprises.name)
        items = [self._item(name, query, wrong=wrong) for query in request.queries]
        body_ = {"MaYeuCau": request.request_id, "DanhSach": items}
        return Answer(body_, sum("BanGhi" in item for item in items))

    def rows(self, body: bytes) -> Answer:
        """Return rows of the social insurance register with their truth. Raises InvalidRequestError."""
        request = requests.rows(body)
        found = rows.rows(self._social_insurance, self._people, count=request.count, seed=request.seed)
        written = [rows.written(row) for row in found]
        return Answer({"rows": written}, len(written))

    def _item(self, name: str, query: Query, *, wrong: bool) -> Json:
        if query.enterprise_code is not None:
            code = query.enterprise_code
            record = self._enterprises.by_code(code)
            if record is not None and wrong:
                record = self._enterprises.other_than(code)
        else:
            record = self._of_person(name, query.personal_number or "", wrong=wrong)
        return NOT_FOUND if record is None else {"KetQua": "TIM_THAY", "BanGhi": record}

    def _of_person(self, name: str, number: str, *, wrong: bool) -> Json | None:
        index = self._people.index_of(number)
        if index is None:
            return None
        record = self._registers[name].of(index)
        if record is None or not wrong:
            return record
        # The right kind of answer about somebody else, who may be a long way off.
        for _ in range(1000):
            index = self._people.someone_else(index)
            other = self._registers[name].of(index)
            if other is not None:
                return other
        return None
