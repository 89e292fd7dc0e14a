"""Which changes the national database allows, and what each does to whose record.

Owns the rules, as functions from a change and the nation as it is to edits or a reason to refuse. Refuses to know
storage, versions, idempotency and the feed (`changes`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from mock_national_db.change_requests import Birth, CivilStatus, Content, Correction, Death, Move, Withdrawal
from mock_national_db.demographics import OLD_CODES
from mock_national_db.households import MaritalStatus, Sex
from mock_national_db.live import LiveNation, block_of, newborn_index, write_address
from mock_national_db.person import BirthDate, Person
from mock_national_db.store import State

_MARRIAGE_AGE: Final = {Sex.MALE: 20, Sex.FEMALE: 18}
"""Years; Law on Marriage and Family 2014, article 8."""
_YOUNGEST_PARENT, _OLDEST_PARENT = 15, 60


class RefusedChangeError(Exception):
    """A rule forbids the change; the message is its code (`LyDo`)."""


@dataclass(slots=True)
class Edits:
    """What a change does: new values of `State` keys by person, and of households that move."""

    people: dict[int, State] = field(default_factory=dict)
    homes: dict[int, tuple[int, list[str]]] = field(default_factory=dict)
    """Household → its block and address."""
    links: set[tuple[int, int]] = field(default_factory=set)
    counters: dict[str, int] = field(default_factory=dict)
    subject: int = -1
    """Whose number and version the answer tells."""

    def of(self, index: int) -> State:
        """Return the edits of one person."""
        return self.people.setdefault(index, {})

    def link(self, one: int, other: int) -> None:
        """Note that records in two blocks name each other's people."""
        if block_of(one) != block_of(other):
            self.links |= {(block_of(one), block_of(other)), (block_of(other), block_of(one))}


class Rules:
    """Decides what a change does."""

    def __init__(self, *, live: LiveNation, counter: Callable[[str], int], today: Callable[[], date]) -> None:
        """`counter` gives the next value of a named counter."""
        self._live = live
        self._counter = counter
        self._today = today

    def edits(self, index: int, content: Content) -> Edits:
        """Return what the change of the person `index` does.

        Raises RefusedChangeError.
        """
        edits = Edits(subject=index)
        match content:
            case Move():
                self._move(index, content, edits)
            case CivilStatus():
                self._civil_status(index, content, edits)
            case Correction():
                self._correct(index, content, edits)
            case Death():
                self._bury(index, content, edits)
            case Birth():
                self._register_birth(index, content, edits)
            case Withdrawal():
                edits.of(index)["withdrawn"] = True
        return edits

    def _move(self, index: int, move: Move, edits: Edits) -> None:
        person = self._living(index)
        permanent = person.permanent_residence
        if move.permanent is not None:
            permanent = move.permanent
            key = self._live.family(index).household
            assert key is not None
            if not move.whole_household and len(self._live.household_of(index)) > 1:
                key = self._found_household(index, edits)
            edits.homes[key] = (block_of(index), write_address(move.permanent))
        if move.current is not None:
            edits.of(index)["elsewhere"] = None if move.current == permanent else write_address(move.current)

    def _found_household(self, index: int, edits: Edits) -> int:
        nth = self._counter("household")
        edits.counters["household"] = nth + 1
        key = self._live.nation.numbering.new_household(nth)
        edits.of(index)["household"] = key
        return key

    def _civil_status(self, index: int, change: CivilStatus, edits: Edits) -> None:
        person = self._living(index)
        if change.status is MaritalStatus.DIVORCED:
            _refuse_if(person.marital_status is not MaritalStatus.MARRIED, "CHUA_KET_HON")
            for one in (index, self._live.kin(index).spouse):
                if one is not None and self._live.holds(one):
                    edits.of(one).update(marital=int(MaritalStatus.DIVORCED), spouse=None)
            return
        other = self._live.index_of(change.spouse or "")
        if other is None:
            raise RefusedChangeError("VO_CHONG_KHONG_TIM_THAY")
        spouse = self._living(other)
        _refuse_if(self._close(index, other), "QUAN_HE_CAM")
        _refuse_if(MaritalStatus.MARRIED in {person.marital_status, spouse.marital_status}, "DA_KET_HON")
        _refuse_if(any(self._age(one.birth_date) < _MARRIAGE_AGE[one.sex] for one in (person, spouse)), "CHUA_DU_TUOI")
        for one, partner in ((index, other), (other, index)):
            edits.of(one).update(marital=int(MaritalStatus.MARRIED), spouse=partner)
        edits.link(index, other)

    def _close(self, one: int, other: int) -> bool:
        """Tell whether two are the same, parent and child, or share a parent."""
        first, second = self._live.kin(one), self._live.kin(other)
        parents = {first.father, first.mother} - {None}
        return (
            one == other
            or other in parents
            or one in {second.father, second.mother}
            or bool(parents & {second.father, second.mother})
        )

    def _correct(self, index: int, change: Correction, edits: Edits) -> None:
        person = self._live.person(index)
        state = edits.of(index)
        if change.birth_date is not None:
            _refuse_if(change.birth_date.year != person.birth_date.year, "NAM_SINH_KHAC")
            last = person.death_date or self._today()
            _refuse_if(_earliest(change.birth_date) > last, "NGAY_KHONG_HOP_LE")
            state["birth_date"] = list(change.birth_date)
        if change.name is not None:
            state["name"] = list(change.name)
        for key, code in (
            ("ethnicity", change.ethnicity_code),
            ("religion", change.religion_code),
            ("blood", change.blood_type),
        ):
            if code is not None:
                state[key] = code

    def _bury(self, index: int, death: Death, edits: Edits) -> None:
        person = self._living(index)
        _refuse_if(death.day > self._today() or death.day < _earliest(person.birth_date), "NGAY_KHONG_HOP_LE")
        spouse = self._live.kin(index).spouse
        edits.of(index).update(
            death=death.day.isoformat(), spouse=None, last_home=write_address(person.permanent_residence)
        )
        if spouse is not None and self._live.holds(spouse):
            edits.of(spouse).update(marital=int(MaritalStatus.WIDOWED), spouse=None)

    def _register_birth(self, index: int, birth: Birth, edits: Edits) -> None:
        parent = self._live.person(index)
        other = None if birth.other_parent is None else self._live.index_of(birth.other_parent)
        parents = [parent] if other is None else [parent, self._live.person(other)]
        _refuse_if(
            (birth.other_parent is not None and other is None)
            or not parent.alive
            or len({one.sex for one in parents}) != len(parents)
            or any(not _YOUNGEST_PARENT <= birth.day.year - p.birth_date.year <= _OLDEST_PARENT for p in parents),
            "CHA_ME_KHONG_HOP_LE",
        )
        _refuse_if(birth.day > self._today(), "NGAY_KHONG_HOP_LE")
        by_sex: dict[Sex, int | None] = {Sex.MALE: None, Sex.FEMALE: None}
        by_sex[parent.sex] = index
        if other is not None:
            by_sex[parents[1].sex] = other
        of_name = next((p for p in parents if p.sex is Sex.MALE), parent)
        home = parent.permanent_residence
        # Births are registered where the family lives, under the code of today.
        child_class = self._live.nation.numbering.newborn_class(
            origin=OLD_CODES.index(home.province_code), sex=birth.sex, birth_year=birth.day.year
        )
        nth = self._count(f"newborn {child_class}", edits)
        child = newborn_index(block_of(index), self._count(f"block {block_of(index)}", edits))
        edits.of(child).update(
            number=self._live.nation.numbering.newborn_number(child_class, nth),
            sex=int(birth.sex),
            name=list(birth.name),
            birth_date=[birth.day.year, birth.day.month, birth.day.day],
            father=by_sex[Sex.MALE],
            mother=by_sex[Sex.FEMALE],
            household=self._live.family(index).household,
            ethnicity=of_name.ethnicity_code,
            religion=parent.religion_code,
            birth_registration=write_address(home._replace(detail="")),
            home_town=write_address(of_name.home_town),
        )
        if other is not None:
            edits.link(index, other)
        edits.subject = child

    def _count(self, counter: str, edits: Edits) -> int:
        value = self._counter(counter)
        edits.counters[counter] = value + 1
        return value

    def _living(self, index: int) -> Person:
        person = self._live.person(index)
        _refuse_if(not person.alive, "DA_MAT")
        return person

    def _age(self, born: BirthDate) -> int:
        today = self._today()
        before_birthday = (today.month, today.day) < (born.month or 1, born.day or 1)
        return today.year - born.year - before_birthday


def _refuse_if(forbidden: bool, reason: str) -> None:  # noqa: FBT001  reads as a sentence at the call
    if forbidden:
        raise RefusedChangeError(reason)


def _earliest(born: BirthDate) -> date:
    return date(born.year, born.month or 1, born.day or 1)
