"""Records as the exchange writes them: Vietnamese field names, yyyyMMdd dates, nothing where nothing is known.

Owns the mapping from `Person` to JSON objects, as docs/mock-national-db.md describes it. Refuses to know where people
come from and how requests arrive.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from mock_national_db.names import Name
from mock_national_db.person import BirthDate, Membership, Person, Relative
from mock_national_db.places import Address

Json = dict[str, Any]

ALIVE = 1
DEAD = 2


def citizen(person: Person) -> Json:
    """Return the whole record (`CongDan`)."""
    record: Json = {"SoDinhDanh": person.personal_number}
    if person.legacy_number is not None:
        record["SoCMND"] = person.legacy_number
    record["HoVaTen"] = name(person.name)
    record["GioiTinh"] = int(person.sex)
    record["NgayThangNamSinh"] = birth_date(person.birth_date)
    record["DanToc"] = person.ethnicity_code
    record["TonGiao"] = person.religion_code
    record["TinhTrangHonNhan"] = int(person.marital_status)
    record["NhomMau"] = person.blood_type
    record["QuocTich"] = person.nationality
    record["NoiDangKyKhaiSinh"] = address(person.birth_registration)
    record["QueQuan"] = address(person.home_town)
    record["ThuongTru"] = address(person.permanent_residence)
    record["NoiOHienTai"] = address(person.current_residence)
    if person.father is not None:
        record["Cha"] = relative(person.father)
    if person.mother is not None:
        record["Me"] = relative(person.mother)
    if person.spouse is not None:
        record["VoChong"] = relative(person.spouse)
    if person.representative is not None:
        record["NguoiDaiDien"] = relative(person.representative)
    if person.household is not None:
        record["ChuHo"] = relative(person.household.head)
        record["ChuHo"]["QuanHe"] = _relation(person.household)
        record["SoSoHoKhau"] = person.household.household_id
    record["TrangThai"] = ALIVE if person.death_date is None else DEAD
    if person.death_date is not None:
        record["NgayMat"] = day(person.death_date)
    record["PhienBan"] = person.record_version
    record["ThoiDiemDuLieu"] = moment(person.updated_at)
    return record


def household(members: Sequence[Person]) -> Json:
    """Return a household (`HoGiaDinh`); `members` live in it, at least one, the head first."""
    membership = members[0].household
    assert membership is not None
    return {
        "SoSoHoKhau": membership.household_id,
        "ChuHo": relative(membership.head),
        "DiaChi": address(members[0].permanent_residence),
        "ThanhVien": [{"QuanHe": _relation(m.household), "CongDan": citizen(m)} for m in members if m.household],
        "ThoiDiemDuLieu": moment(max(m.updated_at for m in members)),
    }


def name(value: Name) -> Json:
    """Return `{Ho, ChuDem, Ten}`, without `ChuDem` where there is none."""
    if value.middle:
        return {"Ho": value.surname, "ChuDem": value.middle, "Ten": value.given}
    return {"Ho": value.surname, "Ten": value.given}


def birth_date(value: BirthDate) -> Json:
    """Return the one of `NgayThangNam`, `NamThang` and `Nam` which says all that is known."""
    if value.month is None:
        return {"Nam": f"{value.year:04d}"}
    if value.day is None:
        return {"NamThang": f"{value.year:04d}{value.month:02d}"}
    return {"NgayThangNam": f"{value.year:04d}{value.month:02d}{value.day:02d}"}


def address(value: Address) -> Json:
    """Return an address, without `ChiTiet` where there is none."""
    written = {"MaTinh": value.province_code, "TenTinh": value.province_name, "TenXa": value.commune}
    if value.detail:
        written["ChiTiet"] = value.detail
    written["NgayDanhMuc"] = day(value.codes_of)
    return written


def relative(value: Relative) -> Json:
    """Return `{HoVaTen, SoDinhDanh}`, without the number where it is not known."""
    written: Json = {"HoVaTen": name(value.name)}
    if value.personal_number is not None:
        written["SoDinhDanh"] = value.personal_number
    return written


@lru_cache(64)
def day(value: date) -> str:
    """Return yyyyMMdd."""
    return f"{value.year:04d}{value.month:02d}{value.day:02d}"


def moment(value: datetime) -> str:
    """Return yyyyMMddHHmmss; `value` is in Vietnam time."""
    return "%04d%02d%02d%02d%02d%02d" % value.timetuple()[:6]  # noqa: UP031  a third of the time of strftime


def changed_fields(before: Json, after: Json) -> tuple[str, ...]:
    """Return the top-level fields of two records of one person which differ, apart from version and time."""
    return tuple(
        field for field in {**before, **after} if field not in _BOOKKEEPING and before.get(field) != after.get(field)
    )


_BOOKKEEPING = frozenset({"PhienBan", "ThoiDiemDuLieu"})


def _relation(membership: Membership) -> str:
    return f"{membership.relation:02d}"
