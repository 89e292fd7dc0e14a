"""What a person reads of a registry's record, and how the client builds its requests."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from dancu.cli.output import Language
from dancu.cli.registry import RegistryName
from dancu.cli.registry_card import LABELS, WORDS, record_rows
from dancu.client import ENTERPRISES, REGISTRIES, SOCIAL_INSURANCE, RegistryArguments
from dancu.client.message_json import enum_text
from dancu.client.registry_calls import registry_request
from dancu.common.v1.common_pb2 import BirthDate
from dancu.registry.v1 import driving_licences_pb2, registered_pb2
from gateway.registries.kinds import REGISTRIES as KINDS
from tests.fakes.registries import AN_INSURANCE, ENTERPRISE


def fields_of(descriptor: Any) -> list[Any]:
    found = []
    for field in descriptor.fields:
        found.append(field)
        if field.message_type is not None and field.message_type.full_name.startswith("dancu.registry."):
            found += fields_of(field.message_type)
    return found


FIELDS = [field for kind in KINDS for field in fields_of(kind.descriptor)]
READ_AS_ONE = {"RegisteredPlace", "RegisteredPerson"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_client_and_command_line_know_every_registry_of_the_gateway(kind: Any) -> None:
    """A registry that is served and cannot be asked for by hand is half built."""
    call = REGISTRIES[kind.name]
    assert (call.method, call.request, call.response, call.record) == (
        kind.method, kind.request, kind.response, kind.record,
    )  # fmt: skip
    assert kind.name.replace("_", "-") in list(RegistryName)


def test_every_field_and_every_word_has_its_vietnamese() -> None:
    """An official reads Vietnamese, not field names."""
    for field in FIELDS:
        if field.containing_type.name in READ_AS_ONE:
            continue
        assert field.name in LABELS, field.full_name
        if field.enum_type is not None and field.name != "licence_class":
            for value in field.enum_type.values:
                if value.number:
                    assert enum_text(field.enum_type, value.number) in WORDS, value.name


def test_a_record_reads_as_a_person_reads_it() -> None:
    """Lists under headings, money with its separators, dates the Vietnamese way."""
    rows = dict(record_rows(AN_INSURANCE, Language.VI))
    assert rows["Số sổ BHXH"] == "9313091931"
    assert rows["Trạng thái"] == "đang đóng"
    assert rows["Quá trình đóng 1"] == ""
    assert "  Từ tháng" in rows
    assert list(record_rows(AN_INSURANCE, Language.VI)).count(("  Mức đóng hằng tháng", "9.000.000 đ")) == 1
    english = dict(record_rows(ENTERPRISE, Language.EN))
    assert english["  Owner"] == "Nguyễn Văn An (097090000001)"


def test_an_expired_licence_is_called_expired() -> None:
    """The record states a date; whoever stands at the counter asks whether it has passed."""
    licence = driving_licences_pb2.DrivingLicence(
        licence_class=driving_licences_pb2.LICENCE_CLASS_C1E,
        expires_on=BirthDate(year=2025, month=3, day=1),
        issued_in=registered_pb2.RegisteredPlace(province_code="77", province_name="Tỉnh Bà Rịa - Vũng Tàu"),
    )
    record = driving_licences_pb2.DrivingLicences(licences=[licence])
    shown = dict(record_rows(record, Language.VI, today=date(2026, 1, 1)))
    assert shown["  Ngày hết hạn"] == "01/03/2025 (đã hết hạn)"
    assert (shown["  Hạng"], shown["  Nơi cấp"]) == ("C1E", "Tỉnh Bà Rịa - Vũng Tàu (77)")
    assert dict(record_rows(record, Language.EN, today=date(2025, 3, 1)))["  Expires on"] == "2025-03-01"


def test_requests_state_what_was_asked() -> None:
    """The gateway judges values; the library only sees to it that something is asked."""
    request: Any = registry_request(
        ENTERPRISES,
        {"enterprise_code": "9", "procedure": "1.1", "fields": ["entries.name"], "max_staleness": timedelta(seconds=2)},
    )
    assert (request.enterprise_code, list(request.read_mask.paths)) == ("9", ["entries.name"])
    assert (request.max_staleness.seconds, request.purpose.procedure_code) == (2, "1.1")


@pytest.mark.parametrize(
    "asked",
    [
        {"procedure": "1.1"},
        {"personal_number": "1", "enterprise_code": "9", "procedure": "1.1"},
        {"enterprise_code": "9", "procedure": "1.1"},
        {"personal_number": "1"},
    ],
)
def test_half_a_question_is_a_mistake_in_the_program(asked: RegistryArguments) -> None:
    """Found where it was written, not on the wire."""
    with pytest.raises(TypeError):
        registry_request(SOCIAL_INSURANCE, asked)
