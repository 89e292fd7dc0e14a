"""The organisations of a report: their names and kinds, and how many people live in a province."""

from __future__ import annotations

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
