"""Submitted changes, checked strictly: their kinds and what each carries.

Owns the form of a change. Refuses to know whether the people concerned allow it (`changes`).
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from gateway.geography.provinces import NEW_PROVINCES, NEW_TABLE_FROM
from mock_national_db import requests
from mock_national_db.households import MaritalStatus, Sex
from mock_national_db.names import Name
from mock_national_db.person import BirthDate
from mock_national_db.places import Address
from mock_national_db.requests import Fields, InvalidRequestError, Violation

_ETHNIC_GROUPS: Final = 54
_RELIGIONS: Final = 99
_BLOOD_TYPES: Final = 4
_NO_DAY: Final = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Move:
    """DIA_CHI."""

    permanent: Address | None
    current: Address | None
    whole_household: bool


@dataclass(frozen=True, slots=True)
class CivilStatus:
    """HO_TICH: a marriage with `spouse`, or a divorce."""

    status: MaritalStatus
    spouse: str | None


@dataclass(frozen=True, slots=True)
class Correction:
    """CAI_CHINH; None for what stays."""

    name: Name | None
    birth_date: BirthDate | None
    ethnicity_code: str | None
    religion_code: str | None
    blood_type: str | None


@dataclass(frozen=True, slots=True)
class Death:
    """KHAI_TU."""

    day: date


@dataclass(frozen=True, slots=True)
class Birth:
    """KHAI_SINH."""

    name: Name
    sex: Sex
    day: date
    other_parent: str | None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """HUY_SO."""


Content = Move | CivilStatus | Correction | Death | Birth | Withdrawal


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One submission."""

    request_id: str
    idempotency_key: str
    kind: str
    personal_number: str
    base_version: int
    content: Content
    proposed: dict[str, Any]
    """`NoiDung` as sent."""

    def substance(self) -> bytes:
        """Return what a repetition must have in common with the first submission."""
        said = [self.kind, self.personal_number, self.base_version, self.proposed]
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def read(body: bytes) -> ChangeRequest:
    """Read a submission.

    Raises InvalidRequestError.
    """
    violations: list[Violation] = []
    fields = Fields(requests.read_object(body), violations)
    request_id = requests.envelope(fields)
    key = fields.required("KhoaChongLap", requests.identifier, "")
    kind = fields.required("LoaiThayDoi", _kind, "HUY_SO")
    number = fields.required("SoDinhDanh", requests.personal_number, "")
    version = fields.required("PhienBanGoc", requests.integer(1, 1 << 31), 1)
    proposed: dict[str, Any] = fields.required("NoiDung", requests.json_object, {})
    fields.finish()
    inner = Fields(proposed, violations, "NoiDung.")
    content = _READERS[kind](inner)
    # With the kind unknown nothing can be said about the content.
    if not any(violation.field == "LoaiThayDoi" for violation in violations):
        inner.finish()
    if violations:
        raise InvalidRequestError(violations)
    return ChangeRequest(request_id, key, kind, number, version, content, proposed)


def _kind(value: Any) -> str:
    if isinstance(value, str) and value in _READERS:
        return value
    raise ValueError(f"phải là một trong {', '.join(_READERS)}")


def _move(fields: Fields) -> Move:
    move = Move(
        fields.optional("ThuongTru", _address, None),
        fields.optional("NoiOHienTai", _address, None),
        fields.optional("CaHo", requests.boolean, default=False),
    )
    if not fields.has("ThuongTru") and not fields.has("NoiOHienTai"):
        fields.blame("ThuongTru", "phải có ThuongTru hoặc NoiOHienTai")
    if fields.has("CaHo") and not fields.has("ThuongTru"):
        fields.blame("CaHo", "chỉ đi cùng ThuongTru")
    return move


def _civil_status(fields: Fields) -> CivilStatus:
    status = fields.required("TinhTrangHonNhan", _civil_act, MaritalStatus.MARRIED)
    spouse = fields.optional("SoDinhDanhVoChong", requests.personal_number, None)
    if fields.has("SoDinhDanhVoChong") != (status is MaritalStatus.MARRIED):
        fields.blame("SoDinhDanhVoChong", "phải có khi và chỉ khi kết hôn")
    return CivilStatus(status, spouse)


def _correction(fields: Fields) -> Correction:
    correction = Correction(
        fields.optional("HoVaTen", _name, None),
        fields.optional("NgayThangNamSinh", requests.birth_date, None),
        fields.optional("DanToc", _code(1, _ETHNIC_GROUPS), None),
        fields.optional("TonGiao", _code(0, _RELIGIONS), None),
        fields.optional("NhomMau", _code(0, _BLOOD_TYPES), None),
    )
    if not any(fields.has(one) for one in ("HoVaTen", "NgayThangNamSinh", "DanToc", "TonGiao", "NhomMau")):
        fields.blame("", "phải cải chính ít nhất một trường")
    return correction


def _death(fields: Fields) -> Death:
    return Death(fields.required("NgayMat", requests.whole_day, _NO_DAY))


def _birth(fields: Fields) -> Birth:
    return Birth(
        fields.required("HoVaTen", _name, Name("", "", "")),
        Sex(fields.required("GioiTinh", requests.integer(1, 2), 1)),
        fields.required("NgayThangNamSinh", _whole_birth_date, _NO_DAY),
        fields.optional("SoDinhDanhChaMeKia", requests.personal_number, None),
    )


def _withdrawal(_fields: Fields) -> Withdrawal:
    return Withdrawal()


_READERS: Final[dict[str, Callable[[Fields], Content]]] = {
    "DIA_CHI": _move,
    "HO_TICH": _civil_status,
    "CAI_CHINH": _correction,
    "KHAI_TU": _death,
    "KHAI_SINH": _birth,
    "HUY_SO": _withdrawal,
}
KINDS: Final = tuple(_READERS)


def _civil_act(value: Any) -> MaritalStatus:
    if isinstance(value, int) and value in {MaritalStatus.MARRIED, MaritalStatus.DIVORCED}:
        return MaritalStatus(value)
    raise ValueError("phải là 2 (kết hôn) hoặc 4 (ly hôn)")


def _code(low: int, high: int) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        two_digits = isinstance(value, str) and len(value) == 2 and value.isascii() and value.isdigit()
        if two_digits and low <= int(value) <= high:
            return str(value)
        raise ValueError(f"phải là mã hai chữ số từ {low:02d} đến {high:02d}")

    return rule


def _text_parts(value: Any, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, str]:
    """Return an object of short texts, in the form in which the national database holds them."""
    if not isinstance(value, dict) or not set(required) <= set(value) <= {*required, *optional}:
        raise ValueError(f"phải gồm {', '.join(required)} và có thể {', '.join(optional)}")
    return {
        field: " ".join(unicodedata.normalize("NFC", requests.short_text(text)).split())
        for field, text in value.items()
    }


def _name(value: Any) -> Name:
    parts = _text_parts(value, ("Ho", "Ten"), ("ChuDem",))
    return Name(parts["Ho"], parts.get("ChuDem", ""), parts["Ten"])


def _address(value: Any) -> Address:
    parts = _text_parts(value, ("MaTinh", "TenXa"), ("ChiTiet",))
    province = NEW_PROVINCES.get(parts["MaTinh"])
    if province is None:
        raise ValueError("MaTinh phải là mã của một trong 34 tỉnh, thành phố")
    return Address(province.code, province.official_name, parts["TenXa"], parts.get("ChiTiet", ""), NEW_TABLE_FROM)


def _whole_birth_date(value: Any) -> date:
    read = requests.birth_date(value)
    if read.month is None or read.day is None:
        raise ValueError("phải đủ ngày, tháng, năm")
    return date(read.year, read.month, read.day)
