"""Who heads a household, how its members are related to the head, and who represents a child.

Pure rules over family ties, used for the invented nation and again after a change at run time, so that both always
agree. Refuses to know names, numbers, storage or how the ties came about.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

ADULT_AGE: Final = 18
"""Years; the law's majority."""
_FRAIL_AGE: Final = 78
_FRAIL_HANDICAP: Final = 60


class Relation(IntEnum):
    """Relation of a member to the head of the household."""

    HEAD = 1
    SPOUSE = 2
    CHILD = 3
    PARENT = 4
    SIBLING = 5
    GRANDCHILD = 6
    CHILD_IN_LAW = 7
    OTHER = 99


class Sex(IntEnum):
    """Sex as registered."""

    MALE = 1
    FEMALE = 2


class MaritalStatus(IntEnum):
    """Marital status as registered."""

    UNKNOWN = 0
    SINGLE = 1
    MARRIED = 2
    WIDOWED = 3
    DIVORCED = 4


class Kin(NamedTuple):
    """One person's family ties. Relatives are indexes; None where the nation does not hold them."""

    who: int
    """Index of the person."""
    sex: int
    birth_year: int
    father: int | None
    mother: int | None
    spouse: int | None
    """The living husband or wife."""
    alive: bool


def choose_head(members: Iterable[Kin], *, year: int) -> Kin:
    """Return who heads a household of living members, at least one: the senior adult who is not frail, men first.

    The custom of the registers rather than a law. `year` is the present one. Without an adult, the oldest.
    """

    def standing(member: Kin) -> tuple[bool, int, int]:
        age = year - member.birth_year
        weight = age - _FRAIL_HANDICAP if age > _FRAIL_AGE else age
        return age >= ADULT_AGE, weight + (6 if member.sex == Sex.MALE else 0), -member.who

    return max(members, key=standing)


def relation_to_head(  # noqa: PLR0911  a table of cases
    member: Kin, head: Kin, kin: Mapping[int, Kin]
) -> Relation:
    """Return how `member` is related to `head`; `kin` holds at least the ties of both families."""
    if member.who == head.who:
        return Relation.HEAD
    if member.spouse == head.who:
        return Relation.SPOUSE
    couple = (head.who,) if head.spouse is None else (head.who, head.spouse)
    if _is_child(member, couple):
        return Relation.CHILD
    for one in couple:
        ties = kin.get(one)
        if ties is not None and member.who in (ties.father, ties.mother):
            return Relation.PARENT
    if (member.father is not None and member.father == head.father) or (
        member.mother is not None and member.mother == head.mother
    ):
        return Relation.SIBLING
    for parent in (member.father, member.mother):
        ties = None if parent is None else kin.get(parent)
        if ties is not None and _is_child(ties, couple):
            return Relation.GRANDCHILD
    spouse = None if member.spouse is None else kin.get(member.spouse)
    if spouse is not None and _is_child(spouse, couple):
        return Relation.CHILD_IN_LAW
    return Relation.OTHER


def representative_of(child: Kin, head: Kin | None, kin: Mapping[int, Kin], *, year: int) -> int | None:
    """Return who represents someone under age: the living father, else mother, else the head; None for adults.

    Age is counted in calendar years, so that it does not depend on a birthday that the record may lack.
    """
    if year - child.birth_year >= ADULT_AGE:
        return None
    for parent in (child.father, child.mother):
        ties = None if parent is None else kin.get(parent)
        if ties is not None and ties.alive:
            return ties.who
    return head.who if head is not None and head.who != child.who else None


def _is_child(person: Kin, couple: tuple[int, ...]) -> bool:
    return person.father in couple or person.mother in couple
