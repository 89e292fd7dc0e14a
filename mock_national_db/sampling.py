"""A few people of the nation, for the command line, demonstrations and tests.

Owns who is picked. Refuses to know what is done with them.
"""

from collections.abc import Iterator
from hashlib import blake2b

from mock_national_db.numbering import NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED, Nation
from mock_national_db.person import Person


def sample(
    n: int,
    *,
    population: int = DEFAULT_POPULATION,
    seed: int = DEFAULT_SEED,
    numbering: NumberingScheme = NumberingScheme.TEST,
) -> Iterator[Person]:
    """Return n people spread evenly over the population, no one twice, the same for the same arguments.

    Raises ValueError when n is negative or above the population, and for a nation that cannot be.
    """
    if not 0 <= n <= population:
        raise ValueError("a sample has between none and all of the people")
    nation = Nation(population=population, seed=seed, numbering=numbering)
    return (nation.person(_pick(k, n, population, seed)) for k in range(n))


def _pick(k: int, n: int, population: int, seed: int) -> int:
    """Return someone of the k-th of n equal parts; a fixed step would meet the same place of every block."""
    start, end = k * population // n, (k + 1) * population // n
    draw = blake2b(f"{seed} {n} {k}".encode(), digest_size=8, person=b"sample").digest()
    return start + int.from_bytes(draw, "big") % (end - start)
