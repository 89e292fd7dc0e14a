"""Addresses: communes, streets and house numbers that sound right and exist nowhere in particular.

Owns invented place names. Refuses to know who lives there. There are no districts: they ended on 1 July 2025.
"""

from datetime import date
from typing import Final, NamedTuple

from gateway.geography.provinces import NEW_PROVINCES, NEW_TABLE_FROM, OLD_PROVINCES, OLD_TABLE_TO
from mock_national_db.demographics import NEW_CODES, OLD_CODES

_COMMUNES: Final = (  # noqa: SIM905  64 names, chosen by six bits
    "An Phú|An Bình|Bình Minh|Bình An|Cẩm Sơn|Đại Thắng|Đông Sơn|Đồng Tâm|Đức Hòa|Hải Thanh|Hòa Bình|Hòa Lạc|Hoàng Long"
    "|Hồng Phong|Hợp Thành|Hưng Đạo|Khánh Hội|Kim Long|Lạc Sơn|Liên Hoa|Long Thành|Lương Sơn|Minh Khai|Minh Tân|Mỹ Đức"
    "|Mỹ Hòa|Nam Cường|Nghĩa Hưng|Ngọc Sơn|Nhân Hòa|Phú Lộc|Phú Mỹ|Phúc Thịnh|Phước Long|Quang Trung|Quảng Phú|Quế Sơn"
    "|Quỳnh Lâm|Sơn Đông|Tam Hưng|Tân An|Tân Hưng|Tân Lập|Tân Phong|Tây Sơn|Thái Hòa|Thanh Bình|Thanh Xuân|Thạnh Phú"
    "|Thiện Mỹ|Thống Nhất|Thuận Thành|Tiên Phong|Trà Giang|Trung Nghĩa|Tự Lập|Vạn Phúc|Việt Hưng|Vĩnh Hòa|Vĩnh Thạnh"
    "|Xuân Lộc|Xuân Thành|Yên Mỹ|Yên Sơn"
).split("|")
_STREETS: Final = (  # noqa: SIM905  32 names, chosen by five bits
    "Lê Lợi|Trần Phú|Nguyễn Trãi|Quang Trung|Hai Bà Trưng|Lý Thường Kiệt|Trần Hưng Đạo|Nguyễn Huệ|Phan Chu Trinh"
    "|Phan Bội Châu|Lê Hồng Phong|Hùng Vương|Ngô Quyền|Đinh Tiên Hoàng|Lý Thái Tổ|Nguyễn Du|Bà Triệu|Điện Biên Phủ"
    "|Hoàng Hoa Thám|Lê Duẩn|Võ Thị Sáu|Nguyễn Văn Cừ|Trường Chinh|Phạm Ngũ Lão|Cách Mạng Tháng Tám|Hoàng Văn Thụ"
    "|Lạc Long Quân|Âu Cơ|Nguyễn Công Trứ|Tô Hiến Thành|Chu Văn An|Lương Thế Vinh"
).split("|")
_URBAN: Final = tuple(f"Phường {name}" for name in _COMMUNES)
_RURAL: Final = tuple(f"Xã {name}" for name in _COMMUNES)
_URBAN_SHARE: Final = 26_000
"""Of 65,536: about two in five live in wards."""
_SOUTHERN_FROM: Final = "48"


class Address(NamedTuple):
    """A place as the records write it."""

    province_code: str
    """Two digits, to be read in the table of `codes_of`."""
    province_name: str
    """Full official name."""
    commune: str
    """Commune, ward or special zone, with its kind."""
    detail: str
    """House, street or hamlet; may be empty."""
    codes_of: date
    """A day on which the province code means the province named."""


_OLD: Final = tuple((code, OLD_PROVINCES[code].official_name) for code in OLD_CODES)
_NEW: Final = tuple((code, NEW_PROVINCES[code].official_name) for code in NEW_CODES)


def birth_registration(origin: int, draw: int) -> Address:
    """Return a place of registration in the old province at `origin`, by a 16-bit draw."""
    code, name = _OLD[origin]
    return Address(code, name, _RURAL[draw & 63], "", OLD_TABLE_TO)


def home_town(province: int, draw: int) -> Address:
    """Return a home town in the new province, by a 16-bit draw."""
    code, name = _NEW[province]
    return Address(code, name, _RURAL[draw & 63], "", NEW_TABLE_FROM)


def residence(province: int, kind: int, place: int, house: int) -> Address:
    """Return a whole address in the new province, by three 16-bit draws."""
    code, name = _NEW[province]
    number = 1 + (house & 0x7F)
    if kind < _URBAN_SHARE:
        street = _STREETS[(place >> 6) & 31]
        if house & 0x8000:
            alley = "hẻm" if code >= _SOUTHERN_FROM else "ngõ"
            detail = f"Số {number} {alley} {1 + (house >> 7 & 63)} đường {street}"
        else:
            detail = f"Số {number} đường {street}"
        return Address(code, name, _URBAN[place & 63], detail, NEW_TABLE_FROM)
    hamlet = "Ấp" if code >= _SOUTHERN_FROM else "Thôn"
    return Address(code, name, _RURAL[place & 63], f"Số nhà {number}, {hamlet} {1 + (house >> 7 & 15)}", NEW_TABLE_FROM)
