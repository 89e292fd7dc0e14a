"""The mock national population database: as many invented people as one likes, none of them stored.

    permutation ─ numbering ─┐
    families ─ blocks ───────┼─ people ── lookups ─┐
    names, places ───────────┘     ├ live ─ changes ┼─ server
                                   └ registries ────┘

Knows the wire format of the exchange and the administrative codes of `gateway.geography`; refuses to know anything
else of the gateway, as the real one would.
"""

from mock_national_db.numbering import CapacityError, NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED, Nation
from mock_national_db.person import BirthDate, Person
from mock_national_db.registries.rows import sample_rows
from mock_national_db.sampling import sample

__all__ = [
    "DEFAULT_POPULATION",
    "DEFAULT_SEED",
    "BirthDate",
    "CapacityError",
    "Nation",
    "NumberingScheme",
    "Person",
    "sample",
    "sample_rows",
]
