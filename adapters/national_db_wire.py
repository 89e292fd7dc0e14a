"""The national database's JSON as practised (FACTS: SoDinhDanh, HoVaTen, …) into our messages.

Owns the codes of the exchange. Anything that is not of the documented shape raises `WireError`, whose text names a
field and never a value.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, TypeVar

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.geography.provinces import NEW_TABLE_FROM, Province, as_of, province

VIETNAM = timezone(timedelta(hours=7))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DIGITS_12 = re.compile(r"[0-9]{12}")
_DIGITS_9 = re.compile(r"[0-9]{9}")
_MOMENT = re.compile(r"[0-9]{14}")
_DATE = re.compile(r"[0-9]{4}([0-9]{2}){0,2}")

V = TypeVar("V")

_SEX = {0: citizen_pb2.SEX_UNSPECIFIED, 1: citizen_pb2.SEX_MALE, 2: citizen_pb2.SEX_FEMALE}
_MARITAL = {
    0: citizen_pb2.MARITAL_STATUS_UNSPECIFIED,
    1: citizen_pb2.MARITAL_STATUS_SINGLE,
    2: citizen_pb2.MARITAL_STATUS_MARRIED,
    3: citizen_pb2.MARITAL_STATUS_WIDOWED,
    4: citizen_pb2.MARITAL_STATUS_DIVORCED,
}
_BLOOD = {
    "00": citizen_pb2.BLOOD_TYPE_UNSPECIFIED,
    "01": citizen_pb2.BLOOD_TYPE_A,
    "02": citizen_pb2.BLOOD_TYPE_B,
    "03": citizen_pb2.BLOOD_TYPE_AB,
    "04": citizen_pb2.BLOOD_TYPE_O,
}
_LIFE = {1: citizen_pb2.LIFE_STATUS_ALIVE, 2: citizen_pb2.LIFE_STATUS_DECEASED}
_RELATION = {
    "01": citizen_pb2.HOUSEHOLD_RELATION_HEAD,
    "02": citizen_pb2.HOUSEHOLD_RELATION_SPOUSE,
    "03": citizen_pb2.HOUSEHOLD_RELATION_CHILD,
    "04": citizen_pb2.HOUSEHOLD_RELATION_PARENT,
    "05": citizen_pb2.HOUSEHOLD_RELATION_SIBLING,
    "06": citizen_pb2.HOUSEHOLD_RELATION_GRANDCHILD,
}


class WireError(Exception):
    """The answer is not of the documented shape."""


def citizen_from_wire(wire: dict[str, Any]) -> citizen_pb2.Citizen:
    """The citizen behind a `CongDan` object."""
    if not isinstance(wire, dict):
        raise WireError("CongDan is not an object")
    name = _object(wire, "HoVaTen")
    citizen = citizen_pb2.Citizen(
        personal_number=_matching(wire, "SoDinhDanh", _DIGITS_12),
        legacy_number=_matching(wire, "SoCMND", _DIGITS_9) if "SoCMND" in wire else "",
        full_name=full_name(name),
        surname=_text(name, "Ho"),
        middle_name=_text(name, "ChuDem"),
        given_name=_text(name, "Ten"),
        birth_date=birth_date_from_wire(_object(wire, "NgayThangNamSinh")),
        sex=_coded(wire, "GioiTinh", _SEX),
        ethnicity_code=_text(wire, "DanToc"),
        religion_code=_text(wire, "TonGiao"),
        nationality=_text(wire, "QuocTich"),
        marital_status=_coded(wire, "TinhTrangHonNhan", _MARITAL),
        blood_type=_coded(wire, "NhomMau", _BLOOD),
        life_status=_coded(wire, "TrangThai", _LIFE),
    )
    _set_places(citizen, wire)
    _set_relatives(citizen, wire)
    if "NgayMat" in wire:
        citizen.death_date.CopyFrom(_date(_matching(wire, "NgayMat", _DATE), "NgayMat"))
    citizen.updated_at.seconds = (moment(wire, "ThoiDiemDuLieu") - _EPOCH) // _SECOND
    return citizen


def version_of(wire: dict[str, Any]) -> int:
    """`PhienBan` of a `CongDan` object."""
    version = wire.get("PhienBan")
    if type(version) is not int or version < 1:
        raise WireError("PhienBan is not a positive integer")
    return version


def full_name(name: dict[str, Any]) -> str:
    """Surname, middle and given name in this order."""
    return " ".join([part for part in (_text(name, "Ho"), _text(name, "ChuDem"), _text(name, "Ten")) if part])


def birth_date_from_wire(wire: dict[str, Any]) -> common_pb2.BirthDate:
    """`{NgayThangNam: yyyyMMdd}`, `{NamThang: yyyyMM}` or `{Nam: yyyy}`."""
    for key, length in (("NgayThangNam", 8), ("NamThang", 6), ("Nam", 4)):
        if key in wire:
            digits = _matching(wire, key, _DATE)
            if len(digits) != length:
                raise WireError(f"{key} has another length")
            return _date(digits, key)
    raise WireError("NgayThangNamSinh holds no date")


def moment(wire: dict[str, Any], key: str) -> datetime:
    """A `yyyyMMddHHmmss` in Vietnam time."""
    digits = _matching(wire, key, _MOMENT)
    try:
        # A tenth of the time of strptime, in what is done for every citizen.
        return datetime(
            int(digits[:4]),
            int(digits[4:6]),
            int(digits[6:8]),
            int(digits[8:10]),
            int(digits[10:12]),
            int(digits[12:]),
            tzinfo=VIETNAM,
        )
    except ValueError as error:
        raise WireError(f"{key} is not a moment") from error


def _set_places(citizen: citizen_pb2.Citizen, wire: dict[str, Any]) -> None:
    registered = _object(wire, "NoiDangKyKhaiSinh")
    told = citizen.birth_registration
    # Old codes are two digits in addresses and three in personal numbers; registration is told as numbers tell it.
    told.province_code = f"0{_text(registered, 'MaTinh')}"
    told.province_name = _text(registered, "TenTinh")
    unit = _today(registered)
    if unit is not None:
        told.current_province_code, told.current_province_name = unit.code, unit.official_name
    for key, address in (
        ("QueQuan", citizen.home_town),
        ("ThuongTru", citizen.permanent_residence),
        ("NoiOHienTai", citizen.current_residence),
    ):
        if key in wire:
            place = _object(wire, key)
            unit = _today(place)
            address.province_code = _text(place, "MaTinh") if unit is None else unit.code
            address.province_name = _text(place, "TenTinh") if unit is None else unit.official_name
            address.commune_name = _text(place, "TenXa")
            if "ChiTiet" in place:
                address.detail = _text(place, "ChiTiet")


def _today(place: dict[str, Any]) -> Province | None:
    """The unit of the 34 that a place lies in; None for a code that was no province's on the day it is to be read."""
    return _unit(_text(place, "MaTinh"), _text(place, "NgayDanhMuc"))


@lru_cache(maxsize=1024)
def _unit(code: str, day: str) -> Province | None:
    written = province(code, on=_day(day, "NgayDanhMuc") if day else NEW_TABLE_FROM)
    return None if written is None else as_of(written, NEW_TABLE_FROM)[0]


def _set_relatives(citizen: citizen_pb2.Citizen, wire: dict[str, Any]) -> None:
    for key, relative in (
        ("Cha", citizen.father),
        ("Me", citizen.mother),
        ("VoChong", citizen.spouse),
        ("NguoiDaiDien", citizen.representative),
    ):
        if key in wire:
            _fill_relative(relative, _object(wire, key))
    if "ChuHo" in wire:
        head = _object(wire, "ChuHo")
        citizen.household.household_id = _text(wire, "SoSoHoKhau")
        _fill_relative(citizen.household.head, head)
        citizen.household.relation = _RELATION.get(_text(head, "QuanHe"), citizen_pb2.HOUSEHOLD_RELATION_OTHER)


def _fill_relative(relative: citizen_pb2.Relative, wire: dict[str, Any]) -> None:
    relative.full_name = full_name(_object(wire, "HoVaTen"))
    if "SoDinhDanh" in wire:
        relative.personal_number = _matching(wire, "SoDinhDanh", _DIGITS_12)


def _date(digits: str, key: str) -> common_pb2.BirthDate:
    date = common_pb2.BirthDate(year=int(digits[:4]))
    if len(digits) >= 6:
        date.month = int(digits[4:6])
        if not 1 <= date.month <= 12:
            raise WireError(f"{key} has no such month")
    if len(digits) == 8:
        date.day = int(digits[6:])
        if not 1 <= date.day <= 31:
            raise WireError(f"{key} has no such day")
    return date


def _day(digits: str, key: str) -> date:
    try:
        return datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007  a day has no time zone
    except ValueError as error:
        raise WireError(f"{key} is not a day") from error


def _object(wire: dict[str, Any], key: str) -> dict[str, Any]:
    value = wire.get(key)
    if not isinstance(value, dict):
        raise WireError(f"{key} is not an object")
    return value


def _text(wire: dict[str, Any], key: str) -> str:
    value = wire.get(key, "")
    if not isinstance(value, str):
        raise WireError(f"{key} is not a string")
    return value


def _matching(wire: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = _text(wire, key)
    if not pattern.fullmatch(value):
        raise WireError(f"{key} is not of its form")
    return value


def _coded(wire: dict[str, Any], key: str, codes: dict[Any, V]) -> V:
    value = wire.get(key)
    if type(value) not in {int, str} or value not in codes:
        raise WireError(f"{key} is not a known code")
    return codes[value]
