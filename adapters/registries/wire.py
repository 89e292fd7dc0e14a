"""What the JSON of all registries has in common: texts, numbers, dates, places, people, lists.

Anything that is not of the documented shape raises `WireError`, whose text names a field and never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from adapters.national_db_wire import WireError, birth_date_from_wire, full_name, moment
from dancu.common.v1.common_pb2 import BirthDate
from dancu.registry.v1.registered_pb2 import RegisteredPerson, RegisteredPlace

Json = dict[str, Any]
T = TypeVar("T")

_DAY = re.compile(r"[0-9]{8}")
_MONTH = re.compile(r"[0-9]{6}")
_PERSONAL = re.compile(r"[0-9]{12}")
_MOST_ITEMS = 1000
_LARGEST = (1 << 63) - 1


def text(wire: Json, key: str) -> str:
    """A text; empty where the field is absent."""
    value = wire.get(key, "")
    if not isinstance(value, str):
        raise WireError(f"{key} is not a string")
    return value


def digits(wire: Json, key: str, count: int) -> str:
    """Exactly so many digits."""
    value = text(wire, key)
    if len(value) != count or not (value.isascii() and value.isdigit()):
        raise WireError(f"{key} is not {count} digits")
    return value


def optional_digits(wire: Json, key: str, count: int) -> str:
    """The same, or empty where the field is absent."""
    return digits(wire, key, count) if key in wire else ""


def personal_number(wire: Json) -> str:
    """`SoDinhDanh`."""
    return digits(wire, "SoDinhDanh", 12)


def whole(wire: Json, key: str, *, most: int = _LARGEST) -> int:
    """A whole number from 0 to `most`."""
    value = wire.get(key)
    if type(value) is not int or not 0 <= value <= most:
        raise WireError(f"{key} is not a whole number in its range")
    return value


def coded(wire: Json, key: str, codes: Mapping[Any, T]) -> T:
    """What a code stands for."""
    value = wire.get(key)
    if type(value) not in {int, str} or value not in codes:
        raise WireError(f"{key} is not a known code")
    return codes[value]


def day(wire: Json, key: str) -> BirthDate:
    """A day, yyyyMMdd."""
    value = text(wire, key)
    if not _DAY.fullmatch(value):
        raise WireError(f"{key} is not a day")
    try:
        read = date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError as error:
        raise WireError(f"{key} is not a day of the calendar") from error
    return BirthDate(year=read.year, month=read.month, day=read.day)


def optional_day(wire: Json, key: str) -> BirthDate | None:
    """The same, or None where the field is absent."""
    return day(wire, key) if key in wire else None


def optional_month(wire: Json, key: str) -> BirthDate | None:
    """A month, yyyyMM, or None where the field is absent."""
    return month(wire, key) if key in wire else None


def month(wire: Json, key: str) -> BirthDate:
    """A month, yyyyMM."""
    value = text(wire, key)
    if not _MONTH.fullmatch(value) or not 1 <= int(value[4:]) <= 12:
        raise WireError(f"{key} is not a month")
    return BirthDate(year=int(value[:4]), month=int(value[4:]))


def birth_date(wire: Json) -> BirthDate:
    """`NgayThangNamSinh`, as far as it is known."""
    return birth_date_from_wire(inner(wire, "NgayThangNamSinh"))


def inner(wire: Json, key: str) -> Json:
    """The object in a field."""
    value = wire.get(key)
    if not isinstance(value, dict):
        raise WireError(f"{key} is not an object")
    return value


def optional(wire: Json, key: str, read: Callable[[Json], T]) -> T | None:
    """What `read` makes of the object in a field; None where the field is absent."""
    return read(inner(wire, key)) if key in wire else None


def items(wire: Json, key: str, read: Callable[[Json], T]) -> list[T]:
    """What `read` makes of each object of a list; nothing where the field is absent."""
    values = wire.get(key, [])
    if not isinstance(values, list) or len(values) > _MOST_ITEMS or not all(isinstance(one, dict) for one in values):
        raise WireError(f"{key} is not a list of objects")
    return [read(one) for one in values]


def place(wire: Json) -> RegisteredPlace:
    """A place with the day on which its code is to be read."""
    return RegisteredPlace(
        province_code=digits(wire, "MaTinh", 2),
        province_name=text(wire, "TenTinh"),
        commune_name=text(wire, "TenXa"),
        detail=text(wire, "ChiTiet"),
        codes_of=day(wire, "NgayDanhMuc"),
    )


def person(wire: Json) -> RegisteredPerson:
    """A person by name, and by number where it is known."""
    number = text(wire, "SoDinhDanh")
    if number and not _PERSONAL.fullmatch(number):
        raise WireError("SoDinhDanh is not 12 digits")
    return RegisteredPerson(full_name=full_name(inner(wire, "HoVaTen")), personal_number=number)


def updated_at(wire: Json) -> Timestamp:
    """`ThoiDiemDuLieu`."""
    told = Timestamp()
    told.FromDatetime(moment(wire, "ThoiDiemDuLieu"))
    return told
