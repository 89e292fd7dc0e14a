"""Social insurance (BHXH) and health insurance: books, cards, contributions, benefits; and the dirt of its rows.

Who contributed, is a pensioner or holds a card is in the register; that is nearly everyone. Rows were typed from paper:
`row_of` tells what a row says beside what is true. A row without a personal number is found by nobody who asks by it;
such rows are what cleansing is for.
"""

from dataclasses import replace
from datetime import date, timedelta
from itertools import zip_longest
from typing import Final, NamedTuple

from mock_national_db import wire
from mock_national_db.households import Sex
from mock_national_db.live import is_newborn
from mock_national_db.permutation import Permutation
from mock_national_db.person import Person
from mock_national_db.places import Address
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.dirt import Dirt, Row, spoil, spoilt
from mock_national_db.registries.employment import COMPULSORY, Employment, Span, months_of
from mock_national_db.registries.enterprises import Enterprises
from mock_national_db.registries.people import (
    REFERENCE_DAY,
    People,
    age_on,
    last_day_of,
    month,
    old_province_of,
    stamp,
    turns,
    years_after,
)
from mock_national_db.wire import Json

CONTRIBUTING, PAUSED, PENSIONER, CLOSED = 1, 2, 3, 4
SICKNESS, MATERNITY, UNEMPLOYMENT, PENSION, LUMP_SUM, FUNERAL = 1, 2, 3, 4, 5, 6
_PENSION_MONTHS: Final = 180
"""Fifteen years (Law on Social Insurance 41/2024/QH15)."""
_PENSION_AGE: Final = {Sex.MALE: 61, Sex.FEMALE: 56}
_CARD_HOLDERS: Final = 93
"""Per cent of the people: the published coverage of health insurance."""
_DUPLICATES: Final = 2.0
_BASIC_WAGE: Final = 2_340_000
_DISTRICTS: Final = ("Huyện Tiên Lữ", "Huyện Yên Thế", "Thị xã Bình Long", "Quận 9", "Huyện Hòa An", "Huyện Châu Phú")
"""Districts of before 1 July 2025; addresses of the register still name one or another."""


class HeldRow(NamedTuple):
    """A row of the register with the truth beside it."""

    held: Row
    truth: Row
    dirt: tuple[Dirt, ...]


class SocialInsurance:
    """The register of social and health insurance."""

    name = "social_insurance"

    def __init__(self, people: People, enterprises: Enterprises) -> None:
        self._people = people
        self._employment = Employment(people, enterprises)
        self._books = Permutation(key=people.key[:24] + b"books", left=31_250, right=32_000)

    def of(self, index: int) -> Json | None:
        """Return what the register holds under a person's number; None where no row states it."""
        rows = self.rows_of(index)
        person = self._people.person(index)
        found = [row for row in rows if row.held.personal_number == person.personal_number]
        if not found:
            return None
        return self._written(index, person, found)

    def rows_of(self, index: int) -> list[HeldRow]:
        """Return every row about a person, with the truth: none, one, or two where the person was entered twice."""
        if is_newborn(index):
            return []
        person = self._people.person(index)
        dice = Dice(self._people.key, self.name, index)
        if not (self._career(index, person) or dice.chance(_CARD_HOLDERS)):
            return []
        truth = Row(
            self._book(index, 0),
            person.personal_number,
            person.legacy_number or "",
            person.full_name,
            person.birth_date,
            int(person.sex),
            _address(person.permanent_residence),
        )
        old = _old_address(person, dice)
        held, dirt = spoilt(truth, old_address=old, dice=Dice(self._people.key, "dirt", index))
        rows = [HeldRow(held, truth, dirt)]
        if dice.chance(_DUPLICATES):
            second = replace(truth, book_number=self._book(index, 1))
            # The second entry is the older one: by the legacy number, and in the letters of an older machine.
            spoiler = Dice(self._people.key, "dirt again", index)
            again, more = spoilt(spoil(second, Dirt.NO_PERSONAL_NUMBER), old_address=old, dice=spoiler)
            rows.append(HeldRow(again, truth, (Dirt.DUPLICATE, Dirt.NO_PERSONAL_NUMBER, *more)))
        return rows

    def _written(self, index: int, person: Person, found: list[HeldRow]) -> Json:
        row = found[0].held
        spans = self._career(index, person)
        dice = Dice(self._people.key, "benefits", index)
        months = months_of(spans, last_day_of(person))
        status = _status(person, spans, months)
        record: Json = {
            "SoDinhDanh": person.personal_number,
            "SoSoBHXH": row.book_number,
            "HoTen": row.full_name,
            "NgayThangNamSinh": wire.birth_date(row.birth_date),
            "GioiTinh": row.sex,
            "DiaChi": row.address,
            "TrangThai": status,
            "TongSoThang": months,
        }
        if row.legacy_number:
            record["SoCMND"] = row.legacy_number
        card = self._card(index, person, spans, status)
        if card is not None:
            record["TheBHYT"] = card
        if spans:
            record["QuaTrinh"] = [_span(one) for one in spans]
        benefits = _benefits(person, spans, months, status, dice)
        if benefits:
            record["CheDo"] = benefits
        return record | stamp(person)

    def _career(self, index: int, person: Person) -> list[Span]:
        return self._employment.career(person, Dice(self._people.key, "career", index))

    def _book(self, index: int, nth: int) -> str:
        # No book number begins with 9: the first two digits are those of an old province.
        return f"9{self._books.forward(2 * index + nth):09d}"

    def _card(self, index: int, person: Person, spans: list[Span], status: int) -> Json | None:
        dice = Dice(self._people.key, "card", index)
        if not dice.chance(_CARD_HOLDERS) or not person.alive:
            return None
        age = age_on(person, REFERENCE_DAY)
        working = bool(spans) and spans[-1].last is None
        if age < 6:
            group, level = "TE", 1
        elif status == PENSIONER:
            group, level = "HT", 3
        elif working:
            group, level = ("DN", 4) if spans[-1].enterprise_code else ("HC", 4)
        elif age < 22:
            group, level = ("HS" if age < 18 else "SV"), 4
        else:
            group, level = dice.weighted(((("GD", 4), 70), (("CN", 3), 12), (("DT", 2), 10), (("BT", 2), 8)))
        since = dice.day(max(date(2021, 1, 1), turns(person, 0)), REFERENCE_DAY)
        province = old_province_of(person, dice)
        written: Json = {
            "SoThe": f"{group}{level}{province.code}{self._book(index, 0)}",
            "MaDoiTuong": group,
            "MucHuong": level,
            "TuNgay": wire.day(since),
            "NoiDangKyKCB": f"Trạm Y tế {person.permanent_residence.commune}",
        }
        if group != "HT":
            written["DenNgay"] = wire.day(date(2025, 12, 31))
        return written


def _status(person: Person, spans: list[Span], months: int) -> int:
    if not person.alive:
        return CLOSED
    retired = age_on(person, REFERENCE_DAY) >= _PENSION_AGE[person.sex] and months >= _PENSION_MONTHS
    if retired and (not spans or spans[-1].last is not None):
        return PENSIONER
    return CONTRIBUTING if spans and spans[-1].last is None else PAUSED


def _benefits(person: Person, spans: list[Span], months: int, status: int, dice: Dice) -> list[Json]:
    found: list[Json] = []
    for span, following in zip_longest(spans, spans[1:]):
        last = span.last or last_day_of(person)
        if span.kind != COMPULSORY or (last - span.first).days < 200:
            continue
        if dice.chance(35):
            since = dice.day(span.first + timedelta(180), last)
            days = dice.between(2, 20)
            found.append(_benefit(SICKNESS, since, since + timedelta(days), span.monthly_base * 3 // 4 // 24 * days))
        if person.sex is Sex.FEMALE and 20 <= age_on(person, last) <= 45 and dice.chance(30):
            since = dice.day(span.first + timedelta(180), last)
            found.append(_benefit(MATERNITY, since, since + timedelta(180), 6 * span.monthly_base))
        if following is not None and following.first - last > timedelta(90) and dice.chance(60):
            until = min(following.first, last + timedelta(90 + 30 * dice.between(0, 6)))
            found.append(_benefit(UNEMPLOYMENT, last, until, span.monthly_base * 6 // 10))
    if status == PENSIONER:
        since = max(turns(person, _PENSION_AGE[person.sex]), spans[-1].last or REFERENCE_DAY)
        share = min(75, 45 + (months - _PENSION_MONTHS) // 6)
        found.append(_benefit(PENSION, since.replace(day=1), None, spans[-1].monthly_base * share // 100))
    elif status == PAUSED and spans and months < _PENSION_MONTHS and dice.chance(25):
        paid = years_after(spans[-1].last or REFERENCE_DAY, 1)
        if paid <= REFERENCE_DAY:
            found.append(_benefit(LUMP_SUM, paid, paid, spans[-1].monthly_base * 2 * months // 12))
    elif status == CLOSED and person.death_date is not None and months >= 12:
        found.append(_benefit(FUNERAL, person.death_date, person.death_date, 10 * _BASIC_WAGE))
    return sorted(found, key=lambda one: str(one["TuNgay"]))


def _benefit(kind: int, since: date, until: date | None, amount: int) -> Json:
    written: Json = {"Loai": kind, "TuNgay": wire.day(since), "SoTien": amount // 1000 * 1000}
    return written if until is None else written | {"DenNgay": wire.day(until)}


def _span(span: Span) -> Json:
    written: Json = {"Loai": span.kind, "TuThang": month(span.first), "MucDong": span.monthly_base}
    if span.last is not None:
        written["DenThang"] = month(span.last)
    if span.employer:
        written["DonVi"] = span.employer
    if span.enterprise_code:
        written["MaSoDoanhNghiep"] = span.enterprise_code
    return written


def _address(held: Address) -> str:
    return ", ".join(part for part in (held.detail, held.commune, held.province_name) if part)


def _old_address(person: Person, dice: Dice) -> str:
    home = person.permanent_residence
    province = old_province_of(person, dice).official_name
    return ", ".join(part for part in (home.detail, home.commune, dice.pick(_DISTRICTS), province) if part)
