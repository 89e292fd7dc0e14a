"""Vietnamese names as the registers hold them: surname, middle, given; NFC, with their diacritics.

Owns the tables and how a name is drawn from them. Refuses to know who bears it. Names repeat, as they do in life.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from mock_national_db.demographics import KINH, OLD_CODES
from mock_national_db.households import Sex

_TABLE: Final = 1024
_TO_TABLE: Final = 6
"""Bits by which a 16-bit draw is shifted to become a place in a table of 1024."""


class Name(NamedTuple):
    """A name in its three parts; `middle` may be empty."""

    surname: str
    middle: str
    given: str

    @property
    def full(self) -> str:
        """The whole name in the Vietnamese order."""
        return f"{self.surname} {self.middle} {self.given}" if self.middle else f"{self.surname} {self.given}"


def _spread(weights: Mapping[str, float]) -> tuple[str, ...]:
    """Return 1024 entries, each word as often as its weight."""
    total = sum(weights.values())
    table: list[str] = []
    reached = 0.0
    for word, weight in weights.items():
        reached += weight
        table.extend([word] * (round(reached / total * _TABLE) - len(table)))
    return tuple(table)


def _evenly(words: str) -> tuple[str, ...]:
    return _spread(dict.fromkeys(words.split(), 1.0))


_RARER: Final = (  # noqa: SIM905  a list of forty words reads better as a line
    "Đinh Trương Đoàn Lương Trịnh Mai Đào Lâm Phùng Hà Cao Tạ Tô Chu Châu Tăng Thái Kiều Quách La Nghiêm Đàm Vương"
    " Tống Lưu Doãn Bạch Khuất Từ Thân Hứa Tôn Ninh Văn Mạc Ông Cù Lại Âu Giang"
).split()
# Published shares of the commonest surnames, in per cent; Hoàng and Vũ are added by region.
_COMMON: Final = {
    "Nguyễn": 38, "Trần": 11, "Lê": 9.5, "Phạm": 7, "Phan": 4.5, "Đặng": 2, "Bùi": 2, "Đỗ": 1.4, "Hồ": 1.3, "Ngô": 1.3,
    "Dương": 1, "Lý": 0.5,
}  # fmt: skip


def _surnames_of(old_code: str) -> tuple[str, ...]:
    weights = dict(_COMMON)
    weights["Hoàng" if old_code < "46" else "Huỳnh"] = 5
    weights["Vũ" if old_code < "40" else "Võ"] = 4
    if old_code == "40":
        weights["Hồ"] = 7
    weights |= {name: 11.5 / len(_RARER) for name in _RARER}
    return _spread(weights)


_SURNAMES: Final = tuple(_surnames_of(code) for code in OLD_CODES)
_OTHER_SURNAMES: Final = {
    "02": _evenly("Nông Hoàng Lý Triệu Bế Lương Ma Hà Vi La"),
    "03": _evenly("Lò Quàng Cà Lường Tòng Vì Cầm Hà Lô Vi"),
    "04": _evenly("Trần Lý Lâm Quách Châu Huỳnh Mã Vương Thái Tăng"),
    "05": _evenly("Thạch Sơn Kim Danh Châu Lâm Kiên Lý Trần"),
    "06": _evenly("Bùi Đinh Quách Hà Phạm Nguyễn Bạch Xa"),
    "07": _evenly("Nông Hoàng Lương Lý Triệu Vi Lục Linh Chu"),
    "08": _evenly("Giàng Vàng Sùng Thào Lầu Mùa Hạng Vừ Cứ Lý"),
    "09": _evenly("Triệu Bàn Đặng Lý Phùng Tẩn Chảo Phàn"),
    "10": _evenly("Rơ Siu Ksor Rcom Nay Kpă Rmah"),
    "12": _evenly("Niê Mlô Êban Ayun Hwing Kbuôr Ksor"),
    "16": _evenly("Ka Kơ Lơ Cil"),
    "17": _evenly("Đàng Não Quảng Bá Trượng Châu Từ"),
}

_MALE_MIDDLES: Final = (
    _spread({"Văn": 46, "Đình": 9, "Xuân": 6, "Hữu": 6, "Quang": 5, "Ngọc": 5, "Công": 4, "Đức": 4, "Bá": 3, "": 4}),
    _spread({"Văn": 32, "Đức": 8, "Quang": 7, "Ngọc": 6, "Minh": 6, "Hữu": 5, "Xuân": 5, "Đình": 5, "Anh": 4, "": 3}),
    _spread({"Minh": 13, "Đức": 10, "Quốc": 8, "Gia": 9, "Anh": 8, "Hoàng": 9, "Văn": 7, "Tuấn": 6, "Bảo": 7, "": 3}),
)
_FEMALE_MIDDLES: Final = (
    _spread({"Thị": 84, "Kim": 3, "Ngọc": 3, "Thị Kim": 2, "Thị Ngọc": 2, "Thị Thanh": 2, "": 4}),
    _spread({"Thị": 56, "Thị Thu": 6, "Thị Thanh": 6, "Thị Kim": 4, "Thị Ngọc": 5, "Ngọc": 6, "Thu": 5, "Thanh": 5,
             "Hồng": 4, "": 3}),
    _spread({"Thị": 13, "Ngọc": 12, "Thị Thu": 4, "Thanh": 8, "Minh": 8, "Phương": 9, "Khánh": 9, "Bảo": 8, "Thùy": 6,
             "Thị Minh": 3, "": 3}),
)  # fmt: skip
_MALE_GIVEN: Final = (
    _evenly("Hùng Bình Sơn Thành Minh Hải Long Lâm Tâm Hòa Chiến Thắng Quý Lộc Phúc Thọ Định Khánh Năm Bảy Tư Sáu"),
    _evenly("Hùng Dũng Tuấn Cường Hải Nam Thắng Sơn Hiếu Trung Kiên Long Đức Thành Toàn Quân Vinh Phương Hưng Tùng"),
    _evenly("Anh Huy Khang Bảo Minh Phúc An Khôi Long Nam Đạt Khoa Phong Kiệt Hoàng Nhật Quân Duy Thịnh Tiến Vũ"),
)
_FEMALE_GIVEN: Final = (
    _evenly("Lan Hoa Mai Liên Hồng Xuân Thu Cúc Sen Hạnh Tuyết Nga Loan Bình Thơm Hiền Lý Nhung Bé Út Ba Hai"),
    _evenly("Hương Hằng Hà Thủy Linh Trang Huyền Ngọc Hiền Yến Nga Phượng Thảo Loan Oanh Dung Hường Vân Thúy Nhung"),
    _evenly("Anh Linh Trang Ngân Hân Vy Chi My Nhi Thảo Quỳnh Hà Giang Thư Uyên Trâm Ngọc Mai Ly Diệp An"),
)


def surname(*, ethnicity: str, origin: int, draw: int) -> str:
    """Return the surname of a lineage from the old province `origin`, by a 16-bit draw."""
    table = _SURNAMES[origin] if ethnicity == KINH else _OTHER_SURNAMES.get(ethnicity, _SURNAMES[origin])
    return table[draw >> _TO_TABLE]


def name(surname: str, *, sex: int, birth_year: int, middle_draw: int, given_draw: int) -> Name:
    """Return a name as that generation gave them, by two 16-bit draws."""
    cohort = 0 if birth_year < 1965 else 1 if birth_year < 1990 else 2
    if sex == Sex.MALE:
        middles, givens = _MALE_MIDDLES[cohort], _MALE_GIVEN[cohort]
    else:
        middles, givens = _FEMALE_MIDDLES[cohort], _FEMALE_GIVEN[cohort]
    middle, given = middles[middle_draw >> _TO_TABLE], givens[given_draw >> _TO_TABLE]
    return Name(surname, middle if middle != given else "", given)
