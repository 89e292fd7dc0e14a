"""The replies of CitizenService byte for byte, errors included, beside their text.

The files of `tests/golden/citizen/` are what clients in other languages were built against. A change here is a change
of the contract: look at the difference, then write the files anew with `GOLDEN=write python -m pytest tests/unit/test_golden_citizen.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # noqa: F401  text_format shows the details of a status by these types

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.errors import GatewayError
from gateway.transport.statuses import status_of
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, lookup_request, policy
from tests.fakes.national_db import AN, BINH, DUNG, NOBODY, SHARED_LEGACY

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "citizen"
SERVICE = "dancu.citizen.v1.CitizenService"


class Case(NamedTuple):
    """One call: its method, its request, and how the gateway is made for it."""

    method: str
    request: Message
    gateway: Callable[[], FakeGateway] = FakeGateway


def verification(number: str, about: citizen_pb2.Claims) -> Message:
    return citizen_service_pb2.VerifyCitizenRequest(personal_number=number, claims=about, purpose=PURPOSE)


def household(number: str) -> Message:
    return citizen_service_pb2.LookupHouseholdRequest(personal_number=number, purpose=PURPOSE)


def bulk(*numbers: str) -> Message:
    request = citizen_service_pb2.BulkLookupCitizensRequest(purpose=PURPOSE)
    for number in numbers:
        if len(number) == 9:
            request.items.add(legacy_number=number)
        else:
            request.items.add(personal_number=number)
    request.read_mask.paths.extend(["personal_number", "full_name", "birth_date"])
    return request


def narrow() -> FakeGateway:
    return FakeGateway(policy=policy(fields=frozenset({"full_name"}), methods=frozenset({"citizen.*"})))


def checked() -> FakeGateway:
    return FakeGateway(policy=policy(identity_check=True))


def outage() -> FakeGateway:
    gateway = FakeGateway()
    gateway.national_db.down = True
    return gateway


ABOUT = citizen_pb2.Claims(
    full_name="NGUYEN VAN AN",
    birth_date=common_pb2.BirthDate(year=1990),
    sex=citizen_pb2.SEX_FEMALE,
    legacy_number=AN.legacy_number,
    residence_province_code="01",
    household_head_name="Trần Thị Bình",
    marital_status=citizen_pb2.MARITAL_STATUS_SINGLE,
    alive=True,
)
CASES = {
    "lookup": Case("LookupCitizen", lookup_request(AN.personal_number)),
    "lookup-nobody": Case("LookupCitizen", lookup_request(NOBODY)),
    "lookup-mismatch": Case("LookupCitizen", lookup_request(AN.personal_number, claims=claims("X", 1990))),
    "verify": Case("VerifyCitizen", verification(AN.personal_number, ABOUT)),
    "verify-not-held": Case("VerifyCitizen", verification(BINH.personal_number, ABOUT)),
    "verify-nobody": Case("VerifyCitizen", verification(NOBODY, ABOUT)),
    "verify-mismatch-of-identity": Case("VerifyCitizen", verification(AN.personal_number, ABOUT), checked),
    "verify-field-not-granted": Case("VerifyCitizen", verification(AN.personal_number, ABOUT), narrow),
    "verify-invalid": Case(
        "VerifyCitizen", verification("1", citizen_pb2.Claims(full_name="\n", residence_as_of="yesterday"))
    ),
    "household": Case("LookupHousehold", household(AN.personal_number)),
    "household-none": Case("LookupHousehold", household(DUNG.personal_number)),
    "household-nobody": Case("LookupHousehold", household(NOBODY)),
    "household-not-granted": Case("LookupHousehold", household(AN.personal_number), narrow),
    "household-outage": Case("LookupHousehold", household(AN.personal_number), outage),
    "bulk": Case("BulkLookupCitizens", bulk(BINH.personal_number, AN.personal_number, BINH.personal_number)),
    "bulk-statuses": Case("BulkLookupCitizens", bulk(NOBODY, "1", SHARED_LEGACY, AN.legacy_number)),
    "bulk-outage": Case("BulkLookupCitizens", bulk(AN.personal_number), outage),
    "bulk-empty": Case("BulkLookupCitizens", bulk()),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_reply_is_what_it_always_was(name: str) -> None:
    """Clients of other ministries are built against these bytes."""
    case = CASES[name]
    method = f"{SERVICE}/{case.method}"
    gateway = case.gateway()
    # What stands in a record is not the caller's contract, so its hash is left out of the replies.
    gateway.journal.leaf_hash = lambda _: bytes(32)
    message: Message
    try:
        reply = await gateway.call(case.request.SerializeToString(deterministic=True), method)
    except GatewayError as refusal:
        message = status_of(refusal)
        trailing, wire = refusal.trailing, message.SerializeToString(deterministic=True)
    else:
        response = getattr(citizen_service_pb2, f"{case.method}Response")
        message = response.FromString(reply.response)
        trailing, wire = reply.trailing, reply.response
    told = "".join(f"# {key}: {value}\n" for key, value in trailing)
    told += "".join(f"# {wire[at : at + 50].hex()}\n" for at in range(0, len(wire), 50))
    told += text_format.MessageToString(message, as_utf8=True)
    path = FOLDER / f"{name}.txtpb"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8")


def test_no_golden_reply_is_left_over() -> None:
    """A file without its case is a promise nobody checks."""
    assert {path.stem for path in FOLDER.iterdir()} == set(CASES)
