"""What is asked: requests of one citizen or of many, in files that the load reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dancu.citizen.v1 import citizen_service_pb2
from dancu.common.v1 import common_pb2
from mock_national_db import sample

PURPOSE = common_pb2.Purpose(procedure_code="1.004222", dossier_code="H01-1", officer_id="cb-17")


def people(count: int) -> list[str]:
    """Numbers of that many people of the mock, no one twice."""
    return [person.personal_number for person in sample(count)]


def distinct_numbers(count: int) -> Iterator[str]:
    """At most three million valid numbers of nobody in particular, no one twice."""
    for at in range(count):
        yield f"{97 + at // 1_000_000:03d}090{at % 1_000_000:06d}"


def lookup(number: str) -> bytes:
    """A request as a counter would send it: every granted field, for a procedure."""
    request = citizen_service_pb2.LookupCitizenRequest(personal_number=number, purpose=PURPOSE)
    return request.SerializeToString()


def write_lookups(path: Path, numbers: Iterable[str], *, checked: bool = True) -> Path:
    """A file of requests; `checked`: each reply must contain the number asked for."""
    with path.open("w") as file:
        for number in numbers:
            file.write(lookup(number).hex() + (f" {number}\n" if checked else "\n"))
    return path


def write_bulks(path: Path, numbers: Sequence[str], *, each: int) -> Path:
    """A file of requests for `each` citizens at a time; the reply must contain the last of them."""
    with path.open("w") as file:
        for at in range(0, len(numbers) - each + 1, each):
            some = numbers[at : at + each]
            items = [citizen_service_pb2.BulkLookupCitizensItem(personal_number=number) for number in some]
            request = citizen_service_pb2.BulkLookupCitizensRequest(items=items, purpose=PURPOSE)
            file.write(f"{request.SerializeToString().hex()} {some[-1]}\n")
    return path
