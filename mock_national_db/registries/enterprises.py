"""The enterprise register: who owns and represents which enterprise.

Up to two enterprises belong to each block of the nation; the owner is the first adult alive by lot among its people, so
that an owner's death makes the next one the heir. The enterprise code is the tax code: ten digits, the last a check
digit. Codes begin with 9, which no tax office uses: none can be a real enterprise's.
"""

from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from typing import Final, NamedTuple

from gateway.geography.provinces import NEW_PROVINCES
from mock_national_db import wire
from mock_national_db.families import REFERENCE_YEAR
from mock_national_db.households import Kin
from mock_national_db.live import block_of
from mock_national_db.permutation import Permutation
from mock_national_db.person import Person, Relative
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.people import (
    People,
    last_day_of,
    place,
    stamp,
    turns,
)
from mock_national_db.wire import Json

PRIVATE, ONE_MEMBER, MEMBERS, JOINT_STOCK, PARTNERSHIP = 1, 2, 3, 4, 5
ACTIVE, SUSPENDED, DISSOLVING, DISSOLVED, GONE = 1, 2, 3, 4, 5
_SLOTS: Final = 2
_SHARES: Final = (38.0, 9.0)
"""Per cent of blocks with a first and a second enterprise: about as many enterprises for its people as Việt Nam has."""
_ADULT: Final = 18
_FIRST_DAY: Final = date(2000, 1, 1)
_WEIGHTS: Final = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_TYPES: Final = ((ONE_MEMBER, 62), (MEMBERS, 18), (JOINT_STOCK, 15), (PRIVATE, 4), (PARTNERSHIP, 1))
_TITLES: Final = {
    PRIVATE: "DOANH NGHIỆP TƯ NHÂN",
    ONE_MEMBER: "CÔNG TY TNHH MỘT THÀNH VIÊN",
    MEMBERS: "CÔNG TY TNHH",
    JOINT_STOCK: "CÔNG TY CỔ PHẦN",
    PARTNERSHIP: "CÔNG TY HỢP DANH",
}
# Line of business by VSIC code (Decision 27/2018/QĐ-TTg), and how enterprises of that line call themselves.
_LINES: Final = (
    ("46900", "THƯƠNG MẠI VÀ DỊCH VỤ"),
    ("41020", "XÂY DỰNG"),
    ("47110", "BÁN LẺ"),
    ("49331", "VẬN TẢI"),
    ("56101", "NHÀ HÀNG"),
    ("62010", "CÔNG NGHỆ"),
    ("10790", "THỰC PHẨM"),
    ("14100", "MAY MẶC"),
    ("01110", "NÔNG SẢN"),
    ("31001", "NỘI THẤT"),
)


class Enterprise(NamedTuple):
    """What the register and its readers need before anything is written."""

    code: str
    name: str
    legal_type: int
    line: str
    owner: int
    representative: int
    established: date


class Enterprises:
    """The enterprise register."""

    name = "enterprises"

    def __init__(self, people: People) -> None:
        self._people = people
        self._codes = Permutation(key=people.key[:20] + b"enterprises", left=3_125, right=3_200)

    def of(self, index: int) -> Json | None:
        """Return the enterprises that a person owns or represents; None for none."""
        person = self._people.person(index)
        found = [one for one in self.around(index) if index in (one.owner, one.representative)]
        if not found:
            return None
        written = [self._written(one) for one in found]
        return {"SoDinhDanh": person.personal_number, "DoanhNghiep": written, **stamp(person)}

    def by_code(self, code: str) -> Json | None:
        """Return the enterprise of a code; None for none."""
        found = self.find(code)
        if found is None:
            return None
        owner = self._people.person(found.owner)
        return {"MaSoDoanhNghiep": code, "DoanhNghiep": [self._written(found)], **stamp(owner)}

    def find(self, code: str) -> Enterprise | None:
        """Return the enterprise of a code, unwritten."""
        block, slot = divmod(self._codes.backward(int(code[1:8])), _SLOTS)
        if code != self._code(block, slot):
            return None
        return self._enterprise(block, slot)

    def around(self, index: int) -> Iterator[Enterprise]:
        """Yield the enterprises of the people around a person, whoever owns them."""
        for slot in range(_SLOTS):
            found = self._enterprise(block_of(index), slot)
            if found is not None:
                yield found

    def other_than(self, code: str) -> Json | None:
        """Return the record of some other enterprise, for answers that are to be wrong."""
        found = self.find(code)
        index = self._people.someone_else(found.owner if found is not None else 0)
        for _ in range(64):
            for other in self.around(index):
                if other.code != code:
                    return self.by_code(other.code)
            index = (index + 40) % self._people.population
        return None

    def _enterprise(self, block: int, slot: int) -> Enterprise | None:
        dice = Dice(self._people.key, self.name, block, slot)
        if not dice.chance(_SHARES[slot]):
            return None
        adults = [ties for ties in map(self._people.kin, self._people.everyone(block)) if _is_adult(ties)]
        # By lot rather than by position: a death moves nobody else in the order, and the founder stays who it was.
        adults.sort(key=lambda ties: blake2b(b"%d %d" % (ties.who, slot), key=self._people.key, digest_size=8).digest())
        living = [ties.who for ties in adults if ties.alive]
        if not living:
            return None
        owner = living[0]
        legal_type = dice.weighted(_TYPES)
        apart = legal_type in (MEMBERS, JOINT_STOCK) and dice.chance(35) and len(living) > 1
        line, trade = dice.pick(_LINES)
        founder = self._people.person(adults[0].who)
        named = f"{founder.middle_name or founder.surname} {founder.given_name}".upper()
        name = f"{_TITLES[legal_type]} {trade} {named}"
        if dice.chance(30):
            name += f" {dice.pick(('PHÁT', 'VIỆT', 'GROUP', 'AN', 'LONG', '68', 'HƯNG', 'MINH'))}"
        established = dice.day(max(_FIRST_DAY, turns(founder, _ADULT)), last_day_of(founder))
        return Enterprise(
            self._code(block, slot), name, legal_type, line, owner, living[1] if apart else owner, established
        )

    def _code(self, block: int, slot: int) -> str:
        value = f"{self._codes.forward(block * _SLOTS + slot):07d}"
        # A check digit of 10 cannot be written; the ninth digit moves on until there is none.
        return next(code for last in range(10) if (code := with_check_digit(f"9{value}{last}")) is not None)

    def _written(self, one: Enterprise) -> Json:
        dice = Dice(self._people.key, "enterprise", int(one.code))
        owner, representative = self._people.person(one.owner), self._people.person(one.representative)
        province = NEW_PROVINCES[owner.permanent_residence.province_code]
        return {
            "MaSoDoanhNghiep": one.code,
            "TenDoanhNghiep": one.name,
            "LoaiHinh": one.legal_type,
            "TrangThai": dice.weighted(((ACTIVE, 80), (SUSPENDED, 8), (DISSOLVING, 4), (DISSOLVED, 5), (GONE, 3))),
            "NgayThanhLap": wire.day(one.established),
            "NganhNgheChinh": one.line,
            "VonDieuLe": dice.pick((1, 2, 3, 5, 9, 10, 20, 50)) * dice.pick((100, 200, 500, 1000)) * 1_000_000,
            "DiaChiTruSo": place(province, owner.permanent_residence.commune),
            "ChuSoHuu": wire.relative(_relative(owner)),
            "NguoiDaiDien": wire.relative(_relative(representative)),
        }


def with_check_digit(nine: str) -> str | None:
    """Return the code of ten digits that begins with `nine` (Circular 105/2020/TT-BTC); None where none exists."""
    check = 10 - sum(int(digit) * weight for digit, weight in zip(nine, _WEIGHTS, strict=True)) % 11
    return None if check == 10 else f"{nine}{check}"


def _is_adult(ties: Kin) -> bool:
    return REFERENCE_YEAR - ties.birth_year > _ADULT


def _relative(person: Person) -> Relative:
    return Relative(person.name, person.personal_number)
