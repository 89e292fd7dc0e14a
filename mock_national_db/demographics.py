"""Tables of who lives where: provincial weights, ethnic groups and religions.

Owns approximate public figures, good enough for an invented nation and for nothing else. Refuses to know people.
"""

from itertools import accumulate
from typing import Final

from gateway.geography.provinces import NEW_PROVINCES, OLD_PROVINCES, new_to_olds

# Average population of the old provinces in thousands, about 2022. Only the shares within one new province are used.
_OLD_THOUSANDS: Final = {
    "01": 8436, "02": 893, "04": 543, "06": 324, "08": 806, "10": 770, "11": 636, "12": 482, "14": 1300, "15": 847,
    "17": 875, "19": 1336, "20": 802, "22": 1362, "24": 1891, "25": 1517, "26": 1197, "27": 1488, "30": 1946,
    "31": 2088, "33": 1290, "34": 1878, "35": 878, "36": 1877, "37": 1010, "38": 3722, "40": 3419, "42": 1323,
    "44": 918, "45": 651, "46": 1160, "48": 1220, "49": 1519, "51": 1245, "52": 1504, "54": 876, "56": 1253,
    "58": 598, "60": 1252, "62": 580, "64": 1591, "66": 1918, "67": 671, "68": 1333, "70": 1034, "72": 1188,
    "74": 2763, "75": 3255, "77": 1179, "79": 9390, "80": 1734, "82": 1785, "83": 1298, "84": 1019, "86": 1029,
    "87": 1600, "89": 1906, "91": 1752, "92": 1252, "93": 729, "94": 1198, "95": 925, "96": 1207,
}  # fmt: skip

NEW_CODES: Final = tuple(NEW_PROVINCES)
OLD_CODES: Final = tuple(OLD_PROVINCES)
"""Codes in table order; elsewhere a province is its place in one of these tuples."""


def _shares(weights: list[float]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def _old_weight(code: str, new_code: str) -> float:
    together = sum(_OLD_THOUSANDS[old.code] for old in new_to_olds(new_code))
    return (NEW_PROVINCES[new_code].population_thousands or 0) * _OLD_THOUSANDS[code] / together


NEW_OF_OLD: Final = tuple(
    next(at for at, new in enumerate(NEW_CODES) if any(old.code == code for old in new_to_olds(new)))
    for code in OLD_CODES
)
"""For each old province the place of the new one that took it in."""
OLDS_OF_NEW: Final = tuple(
    tuple(at for at, new in enumerate(NEW_OF_OLD) if new == place) for place in range(len(NEW_CODES))
)
NEW_SHARES: Final = _shares([float(p.population_thousands or 0) for p in NEW_PROVINCES.values()])
OLD_SHARES: Final = _shares([_old_weight(code, NEW_CODES[NEW_OF_OLD[at]]) for at, code in enumerate(OLD_CODES)])
OLD_SHARES_SUMMED: Final = tuple(accumulate(OLD_SHARES))

# New province: percentages of ethnic groups by official code; the rest is Kinh (01).
_ETHNIC_PERCENT: Final = {
    "01": {"06": 2}, "04": {"02": 41, "07": 30, "08": 12, "09": 10}, "08": {"02": 26, "08": 23, "09": 15, "07": 8},
    "11": {"03": 37, "08": 38, "21": 3}, "12": {"03": 33, "08": 24, "09": 13, "11": 3},
    "14": {"03": 54, "08": 16, "06": 7, "21": 2}, "15": {"02": 17, "08": 18, "09": 12, "03": 7},
    "19": {"02": 19, "07": 7, "09": 5, "18": 3}, "20": {"07": 42, "02": 36, "09": 4}, "22": {"09": 5, "02": 3, "18": 2},
    "24": {"07": 4, "02": 3, "15": 1}, "25": {"06": 18, "03": 1, "09": 1}, "37": {"06": 1}, "38": {"06": 10, "03": 6},
    "40": {"03": 10, "08": 1, "29": 2}, "44": {"24": 4, "40": 1}, "46": {"40": 1, "35": 2}, "48": {"35": 3, "14": 3},
    "51": {"14": 10, "19": 7, "13": 5, "10": 2}, "52": {"10": 16, "13": 8}, "56": {"22": 4, "17": 4},
    "66": {"12": 13, "07": 4, "02": 3, "20": 2, "08": 2}, "68": {"16": 7, "20": 3, "17": 2, "08": 3, "07": 2},
    "75": {"25": 4, "04": 4, "05": 1, "02": 1}, "79": {"04": 5, "05": 1}, "86": {"05": 10},
    "91": {"05": 7, "17": 1}, "92": {"05": 11, "04": 2}, "96": {"05": 6, "04": 1},
}  # fmt: skip

KINH: Final = "01"


def _ethnic_table(new_code: str) -> tuple[str, ...]:
    table = [code for code, percent in _ETHNIC_PERCENT.get(new_code, {}).items() for _ in range(percent)]
    return tuple(table + [KINH] * (100 - len(table)))


ETHNICITIES: Final = tuple(_ethnic_table(code) for code in NEW_CODES)
"""For each new province a hundred ethnicity codes, each as often as its share."""

_NO_RELIGION: Final = "00"
RELIGIONS: Final = tuple([_NO_RELIGION] * 86 + ["01"] * 5 + ["02"] * 6 + ["03", "04", "05"])
"""A hundred religion codes; 03 is Protestant, 04 Cao Đài, 05 Hòa Hảo."""
RELIGION_OF: Final = {"17": "06", "05": "01"}
"""Ethnic groups with one prevailing religion: Chăm, Khơ-me."""

BLOOD_TYPES: Final = tuple(["00"] * 38 + ["01"] * 13 + ["02"] * 19 + ["03"] * 3 + ["04"] * 27)
"""A hundred blood-type codes; for many nobody ever wrote one down."""
