"""Answers to the questions of the exchange: one citizen, many, a household.

Owns what found, not found and ambiguous mean. Refuses to know HTTP, and where records come from: a `Register` is the
nation as invented or as changed since.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mock_national_db import wire
from mock_national_db.person import BirthDate, Person
from mock_national_db.requests import BatchRequest, HouseholdRequest, LookupRequest, Query
from mock_national_db.wire import Json

NOT_FOUND: Json = {"KetQua": "KHONG_TIM_THAY"}


class Register(Protocol):
    """Who there is."""

    def index_of(self, number: str) -> int | None:
        """Return who holds the personal number; None for nobody."""

    def indexes_of_legacy(self, number: str) -> tuple[int, ...]:
        """Return everyone who holds the legacy number."""

    def person(self, index: int) -> Person:
        """Return a record."""

    def household_of(self, index: int) -> Sequence[int]:
        """Return the person's household, the head first; empty for people without one."""

    def someone_else(self, index: int) -> int:
        """Return another person, for answers that are to be wrong; the same in a nation of one."""


class Answer(NamedTuple):
    """The body of an answer and how many citizen records are in it."""

    body: Json
    citizens: int


class Lookups:
    """The three questions. `wrong` answers each with somebody else's record."""

    def __init__(self, *, register: Register) -> None:
        self._register = register

    def citizen(self, request: LookupRequest, *, wrong: bool = False) -> Answer:
        """Return one citizen."""
        item = self._item(request.query, wrong=wrong)
        return Answer({"MaYeuCau": request.request_id, **item.body}, item.citizens)

    def batch(self, request: BatchRequest, *, wrong: bool = False) -> Answer:
        """Return as many items as were asked for, in their order."""
        items = [self._item(query, wrong=wrong) for query in request.queries]
        body = {"MaYeuCau": request.request_id, "DanhSach": [item.body for item in items]}
        return Answer(body, sum(item.citizens for item in items))

    def household(self, request: HouseholdRequest, *, wrong: bool = False) -> Answer:
        """Return the household of a citizen."""
        index = self._register.index_of(request.personal_number)
        if index is None:
            return Answer({"MaYeuCau": request.request_id, **NOT_FOUND}, 0)
        members = self._register.household_of(self._register.someone_else(index) if wrong else index)
        if not members:
            return Answer({"MaYeuCau": request.request_id, "KetQua": "KHONG_CO_HO"}, 0)
        written = wire.household([self._register.person(member) for member in members])
        return Answer({"MaYeuCau": request.request_id, "KetQua": "TIM_THAY", "HoGiaDinh": written}, len(members))

    def _item(self, query: Query, *, wrong: bool) -> Answer:
        register = self._register
        if query.personal_number is not None:
            index = register.index_of(query.personal_number)
            candidates: tuple[int, ...] = () if index is None else (index,)
        else:
            candidates = register.indexes_of_legacy(query.legacy_number or "")
        people = [(index, register.person(index)) for index in candidates]
        if query.full_name is not None or query.birth_date is not None:
            people = [(index, person) for index, person in people if _matches(person, query)]
        if not people:
            return Answer(NOT_FOUND, 0)
        if len(people) > 1:
            return Answer({"KetQua": "NHIEU_NGUOI", "SoNguoi": len(people)}, 0)
        index, person = people[0]
        if wrong:
            person = register.person(register.someone_else(index))
        return Answer({"KetQua": "TIM_THAY", "CongDan": wire.citizen(person)}, 1)


def _matches(person: Person, query: Query) -> bool:
    if query.full_name is not None and _plain(person.full_name) != _plain(query.full_name):
        return False
    return query.birth_date is None or _agree(person.birth_date, query.birth_date)


def _agree(held: BirthDate, asked: BirthDate) -> bool:
    """Tell whether two dates agree in every part that both of them state."""
    return all(a is None or b is None or a == b for a, b in zip(held, asked, strict=True))


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
