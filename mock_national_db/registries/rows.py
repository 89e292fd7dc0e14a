"""Rows of the social insurance register with the truth beside them, for cleansing and whoever marks it.

Owns who is drawn and how a row is written. Refuses to know how rows come about (`social_insurance`, `dirt`).
"""

from collections.abc import Iterator
from typing import Any

from mock_national_db import wire
from mock_national_db.live import LiveNation
from mock_national_db.numbering import NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED, Nation
from mock_national_db.registries.dice import Dice
from mock_national_db.registries.dirt import Row
from mock_national_db.registries.enterprises import Enterprises
from mock_national_db.registries.people import People
from mock_national_db.registries.social_insurance import HeldRow, SocialInsurance
from mock_national_db.store import Store
from mock_national_db.wire import Json


def rows(register: SocialInsurance, people: People, *, count: int, seed: int = 0) -> Iterator[HeldRow]:
    """Yield up to `count` rows, spread evenly over the population, the same for the same arguments.

    Both rows of a person entered twice follow each other, so that a cleansing meets duplicates. Fewer come where the
    population has fewer rows.
    """
    start = Dice(people.key, "rows", seed).below(min(people.population, 1 << 31))
    # About nine people in ten have a row; whoever has none is passed over.
    step = max(1, people.population * 9 // 10 // max(1, count))
    given = 0
    for at in range(0, people.population, step):
        index = (start + at) % people.population
        for row in register.rows_of(index):
            if given == count:
                return
            given += 1
            yield row


def sample_rows(
    count: int,
    *,
    population: int = DEFAULT_POPULATION,
    seed: int = DEFAULT_SEED,
    numbering: NumberingScheme = NumberingScheme.TEST,
    rows_seed: int = 0,
) -> Iterator[HeldRow]:
    """Yield rows of the nation before any change; see `rows`.

    Raises ValueError for a nation that cannot be.
    """
    nation = Nation(population=population, seed=seed, numbering=numbering)
    store = Store(data_dir=None, nation={})
    try:
        people = LiveNation(nation=nation, store=store)
        yield from rows(SocialInsurance(people, Enterprises(people)), people, count=count, seed=rows_seed)
    finally:
        store.close()


def written(row: HeldRow) -> Json:
    """Return a row as JSON: what the register holds, what is true (`SuThat`), and the kinds of dirt (`Loi`)."""
    return {**_row(row.held), "SuThat": _row(row.truth), "Loi": [str(kind) for kind in row.dirt]}


def _row(row: Row) -> Json:
    fields: dict[str, Any] = {
        "SoSoBHXH": row.book_number,
        "SoDinhDanh": row.personal_number,
        "SoCMND": row.legacy_number,
        "HoTen": row.full_name,
        "NgayThangNamSinh": wire.birth_date(row.birth_date),
        "GioiTinh": row.sex,
        "DiaChi": row.address,
    }
    return {name: value for name, value in fields.items() if value != ""}
