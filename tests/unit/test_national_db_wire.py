"""The wire form of the exchange into our messages."""

from __future__ import annotations

import pytest

from adapters.national_db_wire import WireError, citizen_from_wire
from dancu.citizen.v1 import citizen_pb2
from mock_national_db import sample, wire

PEOPLE = list(sample(300, population=4000))


def test_the_wire_form_is_read_without_loss() -> None:
    """Codes of the exchange, one by one, over many kinds of people."""
    kinds = set()
    for person in PEOPLE:
        citizen = citizen_from_wire(wire.citizen(person))
        kinds.add((citizen.sex, citizen.marital_status, citizen.life_status, citizen.birth_date.HasField("day")))
        assert citizen.full_name == person.full_name
        assert citizen.legacy_number == (person.legacy_number or "")
        assert citizen.household.household_id == (wire.citizen(person).get("SoSoHoKhau") or "")
    assert {citizen_pb2.SEX_MALE, citizen_pb2.SEX_FEMALE} == {kind[0] for kind in kinds}
    assert len(kinds) > 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SoDinhDanh", 12),
        ("SoDinhDanh", "1"),
        ("HoVaTen", "An"),
        ("GioiTinh", 7),
        ("GioiTinh", [1]),
        ("NgayThangNamSinh", {"Nam": "199"}),
        ("NgayThangNamSinh", {"NgayThangNam": "19901301"}),
        ("ThoiDiemDuLieu", "20251399000000"),
        ("ThuongTru", None),
    ],
)
def test_a_record_of_another_shape_is_refused_without_repeating_it(field: str, value: object) -> None:
    """A guess at a malformed record is a wrong answer about a person."""
    record = dict(wire.citizen(PEOPLE[0])) | {field: value}
    with pytest.raises(WireError) as refusal:
        citizen_from_wire(record)
    assert PEOPLE[0].personal_number not in str(refusal.value)
