"""A clerk's desk on the mock nation: submits changes and looks at what became of the records."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from mock_national_db import Nation, Person, wire
from mock_national_db.blocks import BLOCK_SIZE
from mock_national_db.change_requests import read
from mock_national_db.changes import Changes
from mock_national_db.households import MaritalStatus, Relation, Sex
from mock_national_db.live import LiveNation
from mock_national_db.person import VIETNAM_TIME
from mock_national_db.requests import FeedRequest
from mock_national_db.store import Store

POPULATION = 240
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=VIETNAM_TIME)
NATION = {"seed": "1", "population": str(POPULATION)}
PLACE = {"MaTinh": "48", "TenXa": "Phường Hải Châu", "ChiTiet": "Số 1 đường Bạch Đằng"}


class Desk:
    """The nation with its changes, and a clerk who submits them."""

    def __init__(self, data_dir: Path | None = None, *, feed_limit: int = 1000) -> None:
        self.now = NOW
        self.store = Store(data_dir=data_dir, nation=NATION, feed_limit=feed_limit)
        self.nation = Nation(population=POPULATION, seed=1)
        self.live = LiveNation(nation=self.nation, store=self.store)
        self.changes = Changes(live=self.live, store=self.store, clock=lambda: self.now)
        self._keys = itertools.count()

    def submit(self, kind: str, number: str, content: Any, *, version: int | None = None, key: str = "") -> Any:
        index = self.live.index_of(number)
        held = self.live.person(index).record_version if index is not None else 1
        body = {
            "MaYeuCau": "s",
            "KhoaChongLap": key or f"key-{next(self._keys)}",
            "LoaiThayDoi": kind,
            "SoDinhDanh": number,
            "PhienBanGoc": held if version is None else version,
            "NoiDung": content,
        }
        return self.changes.submit(read(json.dumps(body).encode())).body

    def applied(self, kind: str, number: str, content: Any) -> Any:
        answer = self.submit(kind, number, content)
        assert answer["KetQua"] == "DA_AP_DUNG", answer
        return answer

    def person(self, number: str) -> Person:
        index = self.live.index_of(number)
        assert index is not None
        return self.live.person(index)

    def records(self) -> dict[str, Any]:
        """Every record there is, by number."""
        found = {}
        for block in range(POPULATION // BLOCK_SIZE):
            for index in self.live.everyone(block):
                record = wire.citizen(self.live.person(index))
                found[record["SoDinhDanh"]] = record
        return found

    def feed(self, cursor: str | None = "0", limit: int = 1000) -> Any:
        return asyncio.run(self.changes.read(FeedRequest("f", cursor, limit, 0.0))).body


def couples(desk: Desk) -> Iterator[tuple[Person, Person]]:
    """Heads with their spouses, where a child lives with them."""
    for index in range(POPULATION):
        person = desk.nation.person(index)
        members = desk.nation.household_of(index)
        if person.household and person.household.relation is Relation.HEAD and person.spouse and len(members) > 2:
            yield person, desk.person(person.spouse.personal_number or "")


def singles(desk: Desk, sex: Sex) -> Iterator[Person]:
    for index in range(POPULATION):
        person = desk.nation.person(index)
        free = person.alive and person.marital_status is not MaritalStatus.MARRIED
        if free and person.sex is sex and 1950 < person.birth_date.year < 2000:
            yield person


def strangers(desk: Desk) -> tuple[Person, Person]:
    """A man and a woman of different blocks who may marry."""
    groom = next(singles(desk, Sex.MALE))
    block = (desk.live.index_of(groom.personal_number) or 0) // BLOCK_SIZE
    bride = next(
        one
        for one in singles(desk, Sex.FEMALE)
        if (desk.live.index_of(one.personal_number) or 0) // BLOCK_SIZE != block
    )
    return groom, bride


def household(desk: Desk, number: str) -> list[Person]:
    return [desk.live.person(member) for member in desk.live.household_of(desk.live.index_of(number) or 0)]


def agree(desk: Desk) -> None:
    """Assert that the nation is still consistent."""
    for number in desk.records():
        person = desk.person(number)
        if person.household is None:
            assert not person.alive
            continue
        members = household(desk, number)
        assert number in {m.personal_number for m in members}
        assert len({(m.household and m.household.household_id, m.permanent_residence) for m in members}) == 1
        assert {m.household and m.household.head for m in members} == {(members[0].name, members[0].personal_number)}
        heads = [m for m in members if m.household and m.household.relation is Relation.HEAD]
        assert heads == members[:1]
        if person.spouse is not None and person.spouse.personal_number is not None:
            assert desk.person(person.spouse.personal_number).spouse == (person.name, person.personal_number)
        for parent in (person.father, person.mother):
            if parent is not None and parent.personal_number is not None:
                assert desk.person(parent.personal_number).name == parent.name
