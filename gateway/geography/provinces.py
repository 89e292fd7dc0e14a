"""The provincial tables of Việt Nam before and after 1 July 2025, with the mapping between them.

Owns both tables and pure look-ups in them. Refuses to know people, personal numbers beyond their prefix, or I/O.

A code alone is ambiguous: 15 is Yên Bái until 30 June 2025 and Lào Cai (which absorbed it) since. Every look-up by
code therefore takes the day on which the code was written.

Sources: the 63 codes are those of Decision 124/2004/QĐ-TTg as in force since Hà Tây joined Hà Nội (1 August 2008);
the 34 those of Decision 19/2025/QĐ-TTg, in force since 1 July 2025. Populations are registered ones, in thousands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

OLD_TABLE_FROM: Final = date(2008, 8, 1)
OLD_TABLE_TO: Final = date(2025, 6, 30)
NEW_TABLE_FROM: Final = date(2025, 7, 1)


@dataclass(frozen=True, slots=True)
class Province:
    """One provincial unit as one of the two tables lists it."""

    code: str
    """Two digits, meaningful only between `valid_from` and `valid_to`."""
    name: str
    """Short name, for example "Hà Nội"."""
    official_name: str
    """Full Vietnamese name, for example "Thành phố Hà Nội" or "Tỉnh Cao Bằng"."""
    valid_from: date
    """First day on which the code means this unit."""
    valid_to: date | None
    """Last day, inclusive; None while in force."""
    population_thousands: int | None
    """Registered population in thousands; None in the old table, for which no figures are published together."""

    @property
    def number_prefix(self) -> str:
        """The first three digits of personal numbers whose birth was registered under this code."""
        return f"0{self.code}"

    def is_valid_on(self, day: date) -> bool:
        """Tell whether the code means this unit on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


_CITIES: Final = frozenset({"Hà Nội", "Hải Phòng", "Huế", "Đà Nẵng", "TP. Hồ Chí Minh", "Cần Thơ"})
# Names whose full form is not just the kind of unit and the short name.
_OFFICIAL: Final = {
    "TP. Hồ Chí Minh": "Thành phố Hồ Chí Minh",
    "Bà Rịa–Vũng Tàu": "Tỉnh Bà Rịa - Vũng Tàu",  # noqa: RUF001  the short name is written with a dash
}


def _official_name(name: str) -> str:
    kind = "Thành phố" if name in _CITIES else "Tỉnh"
    return _OFFICIAL.get(name, f"{kind} {name}")


# Huế kept the code 46 when it became a city on 1 January 2025; the old table lists it under the name it had before.
_OLD_NAMES: Final = {
    "01": "Hà Nội", "02": "Hà Giang", "04": "Cao Bằng", "06": "Bắc Kạn", "08": "Tuyên Quang", "10": "Lào Cai",
    "11": "Điện Biên", "12": "Lai Châu", "14": "Sơn La", "15": "Yên Bái", "17": "Hòa Bình", "19": "Thái Nguyên",
    "20": "Lạng Sơn", "22": "Quảng Ninh", "24": "Bắc Giang", "25": "Phú Thọ", "26": "Vĩnh Phúc", "27": "Bắc Ninh",
    "30": "Hải Dương", "31": "Hải Phòng", "33": "Hưng Yên", "34": "Thái Bình", "35": "Hà Nam", "36": "Nam Định",
    "37": "Ninh Bình", "38": "Thanh Hóa", "40": "Nghệ An", "42": "Hà Tĩnh", "44": "Quảng Bình", "45": "Quảng Trị",
    "46": "Thừa Thiên Huế", "48": "Đà Nẵng", "49": "Quảng Nam", "51": "Quảng Ngãi", "52": "Bình Định",
    "54": "Phú Yên", "56": "Khánh Hòa", "58": "Ninh Thuận", "60": "Bình Thuận", "62": "Kon Tum", "64": "Gia Lai",
    "66": "Đắk Lắk", "67": "Đắk Nông", "68": "Lâm Đồng", "70": "Bình Phước", "72": "Tây Ninh", "74": "Bình Dương",
    "75": "Đồng Nai", "77": "Bà Rịa–Vũng Tàu", "79": "TP. Hồ Chí Minh", "80": "Long An",  # noqa: RUF001
    "82": "Tiền Giang", "83": "Bến Tre", "84": "Trà Vinh", "86": "Vĩnh Long", "87": "Đồng Tháp", "89": "An Giang",
    "91": "Kiên Giang", "92": "Cần Thơ", "93": "Hậu Giang", "94": "Sóc Trăng", "95": "Bạc Liêu", "96": "Cà Mau",
}  # fmt: skip

# Code, name, population in thousands, old codes that make up the unit.
_NEW_ROWS: Final = (
    ("01", "Hà Nội", 8808, ("01",)),
    ("04", "Cao Bằng", 573, ("04",)),
    ("08", "Tuyên Quang", 1865, ("08", "02")),
    ("11", "Điện Biên", 673, ("11",)),
    ("12", "Lai Châu", 513, ("12",)),
    ("14", "Sơn La", 1405, ("14",)),
    ("15", "Lào Cai", 1779, ("10", "15")),
    ("19", "Thái Nguyên", 1799, ("19", "06")),
    ("20", "Lạng Sơn", 881, ("20",)),
    ("22", "Quảng Ninh", 1497, ("22",)),
    ("24", "Bắc Ninh", 3619, ("27", "24")),
    ("25", "Phú Thọ", 4023, ("25", "26", "17")),
    ("31", "Hải Phòng", 4664, ("31", "30")),
    ("33", "Hưng Yên", 3568, ("33", "34")),
    ("37", "Ninh Bình", 4412, ("37", "35", "36")),
    ("38", "Thanh Hóa", 4325, ("38",)),
    ("40", "Nghệ An", 3832, ("40",)),
    ("42", "Hà Tĩnh", 1623, ("42",)),
    ("44", "Quảng Trị", 1871, ("45", "44")),
    ("46", "Huế", 1433, ("46",)),
    ("48", "Đà Nẵng", 3066, ("48", "49")),
    ("51", "Quảng Ngãi", 2162, ("51", "62")),
    ("52", "Gia Lai", 3584, ("64", "52")),
    ("56", "Khánh Hòa", 2244, ("56", "58")),
    ("66", "Đắk Lắk", 3347, ("66", "54")),
    ("68", "Lâm Đồng", 3873, ("68", "67", "60")),
    ("75", "Đồng Nai", 4491, ("75", "70")),
    ("79", "TP. Hồ Chí Minh", 14003, ("79", "74", "77")),
    ("80", "Tây Ninh", 3254, ("72", "80")),
    ("82", "Đồng Tháp", 4370, ("87", "82")),
    ("86", "Vĩnh Long", 4258, ("86", "83", "84")),
    ("91", "An Giang", 4952, ("89", "91")),
    ("92", "Cần Thơ", 4200, ("92", "94", "93")),
    ("96", "Cà Mau", 2607, ("96", "95")),
)

OLD_PROVINCES: Final = {
    code: Province(code, name, _official_name(name), OLD_TABLE_FROM, OLD_TABLE_TO, None)
    for code, name in _OLD_NAMES.items()
}
"""The 63 units by code, as in force until 30 June 2025."""

NEW_PROVINCES: Final = {
    code: Province(code, name, _official_name(name), NEW_TABLE_FROM, None, population)
    for code, name, population, _ in _NEW_ROWS
}
"""The 34 units by code, as in force since 1 July 2025."""

_NEW_BY_OLD: Final = {old: NEW_PROVINCES[code] for code, _, _, olds in _NEW_ROWS for old in olds}
_OLDS_BY_NEW: Final = {code: tuple(OLD_PROVINCES[old] for old in olds) for code, _, _, olds in _NEW_ROWS}


def province(code: str, *, on: date) -> Province | None:
    """Return what the two-digit `code` meant on the day `on`; None for no unit, or a day before the old table."""
    if on < OLD_TABLE_FROM:
        return None
    return (OLD_PROVINCES if on <= OLD_TABLE_TO else NEW_PROVINCES).get(code)


def old_to_new(old_code: str) -> Province | None:
    """Return the unit of the 34 that took in the old unit `old_code`; None for no old unit."""
    return _NEW_BY_OLD.get(old_code)


def new_to_olds(new_code: str) -> tuple[Province, ...]:
    """Return the old units that make up the new unit, its namesake first; empty for no new unit."""
    return _OLDS_BY_NEW.get(new_code, ())


def read_code(code: str, *, written: date | None, today: date) -> Province | None:
    """Return the unit that a code was written for; None where it means none.

    With the day on which it was `written`, the table of that day alone counts. Without, today's comes first and the one
    before it stands in for codes that today's does not have: every code that both tables have is, in the later one, the
    unit that took in the earlier unit of that code, so nobody is placed in another province by the guess.
    """
    if written is not None:
        return province(code, on=written)
    return province(code, on=today) or OLD_PROVINCES.get(code)


def is_within(unit: Province, new_code: str) -> bool:
    """Tell whether `unit`, of either table, is the new unit `new_code` or became part of it."""
    if unit.valid_to is None:
        return unit.code == new_code
    return _NEW_BY_OLD[unit.code].code == new_code


def as_of(unit: Province, day: date) -> tuple[Province, ...]:
    """Return the units that covered the ground of `unit` on `day`, its namesake first; empty before the old table.

    One unit forwards in time; backwards as many as were merged into it, of which the code alone does not say which.
    """
    if unit.is_valid_on(day):
        return (unit,)
    if day < OLD_TABLE_FROM:
        return ()
    return new_to_olds(unit.code) if unit.valid_to is None else (_NEW_BY_OLD[unit.code],)


def province_of_prefix(prefix: str) -> Province | None:
    """Return the old unit behind the first three digits of a personal number; None for 097 to 099 and the like."""
    return OLD_PROVINCES.get(prefix[1:]) if len(prefix) == 3 and prefix[0] == "0" else None


def all_provinces() -> Iterator[Province]:
    """Yield both tables, the old one first."""
    yield from OLD_PROVINCES.values()
    yield from NEW_PROVINCES.values()
