"""The organisations of a report: their names and kinds, and how many people live in a province."""

from __future__ import annotations

from collections.abc import Iterable

from dancu.cli.report_numbers import PROVINCE, Organisation


def organisation(code: str, name: str, kind: str) -> Organisation:
    """One organisation as the accounts list it; provinces get their registered population."""
    # A hundred rows of names, which only reports need.
    from gateway.geography.provinces import NEW_PROVINCES

    province = NEW_PROVINCES.get(code) if kind == PROVINCE else None
    people = province.population_thousands if province is not None else None
    return Organisation(code, name, kind, None if people is None else people * 1000)


def all_provinces() -> list[Organisation]:
    """The 34 provincial units by their official names, for where nobody lists the organisations."""
    from gateway.geography.provinces import NEW_PROVINCES

    return [organisation(code, unit.official_name, PROVINCE) for code, unit in NEW_PROVINCES.items()]


def in_force(organisations: Iterable[Organisation]) -> tuple[list[Organisation], dict[str, str]]:
    """The organisations as of today, and under which of them those of former provinces count, by code.

    A report speaks of the 34 units whatever its period: what a province of the old table asked stands with the unit
    that took it in (Decision 19/2025/QĐ-TTg). The old unit of a code that both tables have is part of the new one.
    """
    from gateway.geography.provinces import NEW_PROVINCES, old_to_new

    listed = list(organisations)
    taken_in: dict[str, str] = {}
    for one in listed:
        unit = old_to_new(one.code) if one.kind == PROVINCE and one.code not in NEW_PROVINCES else None
        if unit is not None:
            taken_in[one.code] = unit.code
    present = {one.code: one for one in listed if one.code not in taken_in}
    for code in taken_in.values():
        present.setdefault(code, organisation(code, NEW_PROVINCES[code].official_name, PROVINCE))
    return list(present.values()), taken_in
