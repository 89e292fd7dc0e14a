"""A citizen, and where the answer came from, as labelled rows for people to read, in English or Vietnamese.

Owns the words. A field that this version does not know yet is shown by its name rather than hidden.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dancu.cli.output import Language

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from dancu.client import BirthDate, Citizen, Provenance

Rows = Iterator[tuple[str, str]]

LABELS = {
    "personal_number": ("Personal number", "Số định danh cá nhân"),
    "legacy_number": ("Legacy number (CMND)", "Số CMND"),
    "full_name": ("Full name", "Họ và tên"),
    "surname": ("Surname", "Họ"),
    "middle_name": ("Middle name", "Chữ đệm"),
    "given_name": ("Given name", "Tên"),
    "birth_date": ("Date of birth", "Ngày sinh"),
    "sex": ("Sex", "Giới tính"),
    "ethnicity_code": ("Ethnic group", "Dân tộc"),
    "religion_code": ("Religion", "Tôn giáo"),
    "nationality": ("Nationality", "Quốc tịch"),
    "marital_status": ("Marital status", "Tình trạng hôn nhân"),
    "blood_type": ("Blood group", "Nhóm máu"),
    "birth_registration": ("Birth registered in", "Nơi đăng ký khai sinh"),
    "home_town": ("Home town", "Quê quán"),
    "permanent_residence": ("Permanent residence", "Nơi thường trú"),
    "current_residence": ("Current residence", "Nơi ở hiện tại"),
    "father": ("Father", "Cha"),
    "mother": ("Mother", "Mẹ"),
    "spouse": ("Spouse", "Vợ hoặc chồng"),
    "representative": ("Legal representative", "Người đại diện"),
    "household": ("Household", "Hộ gia đình"),
    "life_status": ("Life status", "Tình trạng sống"),
    "death_date": ("Date of death", "Ngày mất"),
    "updated_at": ("Record changed", "Hồ sơ thay đổi lúc"),
}

WORDS = {
    "male": "nam",
    "female": "nữ",
    "single": "chưa kết hôn",
    "married": "đã kết hôn",
    "widowed": "góa",
    "divorced": "đã ly hôn",
    "alive": "còn sống",
    "deceased": "đã mất",
    "head": "chủ hộ",
    "spouse": "vợ hoặc chồng",
    "child": "con",
    "parent": "cha hoặc mẹ",
    "sibling": "anh, chị, em",
    "grandchild": "cháu",
    "other": "quan hệ khác",
}
"""The enum values in Vietnamese; blood groups read alike everywhere."""

_SOURCES = {
    "national_db": ("national database", "cơ sở dữ liệu quốc gia"),
    "cache": ("copy held by the gateway", "bản sao tại cổng"),
    "stale_cache": ("old copy; the national database is unavailable", "bản sao cũ do CSDL quốc gia gián đoạn"),
}
_PARTS_OF_NAME = ("surname", "middle_name", "given_name")


def citizen_rows(citizen: Citizen, language: Language) -> Rows:
    """One labelled row for each field that is present, in the order of the contract."""
    for name, text in shown_fields(citizen, language).items():
        if name not in _PARTS_OF_NAME or not citizen.full_name:
            yield language.of(*LABELS.get(name, (name, name))), text


def shown_fields(citizen: Citizen, language: Language) -> dict[str, str]:
    """The text of each field that is present, by its name."""
    return {field.name: _text(field, value, language) for field, value in citizen.ListFields()}


def evidence_rows(
    provenance: Provenance,
    *,
    request_id: str,
    receipt: str,
    language: Language,
    upstream: tuple[str, str] | None = None,
) -> Rows:
    """Where the answer came from, how old it is, and what proves that it was asked.

    `upstream`: the registry that was asked, in both languages; None for the national database.
    """
    # What only these commands use of protobuf is imported with the answer at hand, not before.
    from dancu.client.message_json import enum_text

    source = enum_text(provenance.DESCRIPTOR.enum_types_by_name["Source"], provenance.source)
    told = _SOURCES.get(source, (source, source))
    if upstream is not None and source != "cache":
        told = upstream if source == "national_db" else ("old copy; the registry is unavailable", "bản sao cũ")
    yield language.of("Source", "Nguồn"), language.of(*told)
    if provenance.HasField("data_as_of"):
        yield language.of("Data as of", "Thời điểm dữ liệu"), moment_text(provenance.data_as_of)
    if provenance.HasField("fetched_at"):
        yield language.of("Fetched", "Lấy về lúc"), moment_text(provenance.fetched_at)
    if provenance.record_version:
        yield language.of("Record version", "Phiên bản hồ sơ"), str(provenance.record_version)
    yield language.of("Request", "Mã yêu cầu"), request_id
    yield language.of("Receipt", "Biên nhận"), receipt


def _text(field: Any, value: Any, language: Language) -> str:
    from google.protobuf.message import Message

    from dancu.client.message_json import enum_text

    if isinstance(value, Message):
        return _message_text(value, language)
    if field.enum_type is not None:
        word = enum_text(field.enum_type, value)
        if field.name == "blood_type":
            return word.upper()
        return language.of(word, WORDS.get(word, ""))
    # The two codes that the contract explains; the official lists name the others.
    if (field.name, value) == ("ethnicity_code", "01"):
        return "01 (Kinh)"
    if (field.name, value) == ("religion_code", "00"):
        return language.of("00 (none)", "00 (không)")
    return unicodedata.normalize("NFC", str(value))


def _message_text(value: Any, language: Language) -> str:
    from dancu.client.message_json import message_to_json

    match value.DESCRIPTOR.name:
        case "BirthDate":
            text = date_text(value, language)
        case "Timestamp":
            text = moment_text(value)
        case "Address":
            place = named(value.province_name, value.province_code)
            text = ", ".join(part for part in (value.detail, value.commune_name, place) if part)
        case "BirthRegistration":
            text = named(value.province_name, value.province_code)
        case "Relative":
            text = named(value.full_name, value.personal_number)
        case "HouseholdMembership":
            text = _household(value, language)
        case _:
            text = str(message_to_json(value))
    return text


def _household(value: Any, language: Language) -> str:
    from dancu.client.message_json import enum_text

    parts = [value.household_id]
    if value.HasField("head"):
        parts.append(f"{language.of('head', 'chủ hộ')}: {named(value.head.full_name, value.head.personal_number)}")
    if value.relation:
        word = enum_text(value.DESCRIPTOR.fields_by_name["relation"].enum_type, value.relation)
        parts.append(f"{language.of('relation', 'quan hệ')}: {language.of(word, WORDS.get(word, ''))}")
    return "; ".join(part for part in parts if part)


def named(name: str, code: str) -> str:
    """A name with its code or number."""
    return f"{name} ({code})" if name and code else name or code


def date_text(value: BirthDate, language: Language) -> str:
    """A date as far as it is known, as people of the language write it."""
    from dancu.client.message_json import birth_date_text

    text = birth_date_text(value)
    return language.of(text, "/".join(reversed(text.split("-"))))


def moment_text(value: Timestamp) -> str:
    """In the time zone of this machine, to the second, with its offset."""
    return str(datetime.fromtimestamp(value.seconds, UTC).astimezone().isoformat(sep=" "))
