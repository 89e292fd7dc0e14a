"""What a client may ask and what it is told, apart from how a call travels.

Owns the building of requests and the reading of answers for both clients. A further RPC takes three things here
(its name, its arguments, its result) and one short method in each client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypedDict, TypeVar

from google.protobuf.message import Message

from dancu.citizen.v1.citizen_pb2 import Citizen, Claims
from dancu.citizen.v1.citizen_service_pb2 import (
    LookupCitizenRequest,
    LookupCitizenResponse,
    LookupHouseholdRequest,
    VerifyCitizenRequest,
)
from dancu.client.refusals import RECEIPT_KEY, REQUEST_ID_KEY
from dancu.common.v1.common_pb2 import Provenance, Purpose

LOOKUP_CITIZEN = "dancu.citizen.v1.CitizenService/LookupCitizen"

_ITEM = re.compile(r'(?:"(?P<quoted>[^"]*)"|(?P<token>[A-Za-z*][\w:/.*-]*))(?P<parameters>(?:\s*;[^,;"]*)*)')
_PARAMETER = re.compile(r";\s*(?P<name>[a-z*][a-z0-9_.*-]*)=(?P<value>\d+)")

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The tightest limit that applies to the account, as told with an answer (IETF RateLimit header fields)."""

    name: str
    """Which limit."""
    remaining: int
    """Citizens that may still be asked for now."""
    reset: timedelta | None = None
    """When the limit is whole again, where told."""
    quota: int | None = None
    """Citizens per window, where told."""
    window: timedelta | None = None
    """Length of the window, where told."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Response]):
    """One answered call."""

    message: Response
    """The response message."""
    request_id: str
    """Identifier of the call in the gateway's records and logs."""
    receipt: str
    """Names the durable audit record of the call, `origin:index:leaf`; keep it to prove the lookup later."""
    rate_limit: RateLimit | None
    """How much more may be asked, where the gateway told."""
    receipts: tuple[str, ...] = ()
    """The receipts of all records of the call, as far as its trailing metadata names them; `receipt` is the first."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """One citizen, narrowed to what the account may see and asked for, and the evidence of the question."""

    citizen: Citizen
    provenance: Provenance
    request_id: str
    receipt: str
    rate_limit: RateLimit | None

    @classmethod
    def of(cls, answer: Answer[LookupCitizenResponse]) -> LookupResult:
        """The result that an answer holds."""
        message = answer.message
        return cls(message.citizen, message.provenance, answer.request_id, answer.receipt, answer.rate_limit)


class Why(TypedDict, total=False):
    """Why a question is asked; one of `purpose` and `procedure` is required."""

    purpose: Purpose
    """Why the question is asked."""
    procedure: str
    """Short for a purpose of which only the procedure's code is stated."""
    request_id: str
    """The caller's own identifier of the call; absent: one made by the gateway."""


class OneCitizen(Why, total=False):
    """Who is asked about; exactly one number is required."""

    personal_number: str
    """12 digits."""
    legacy_number: str
    """9 digits (CMND)."""
    claims: Claims
    """What the caller claims to know; compared before anything is disclosed."""


class LookupArguments(OneCitizen, total=False):
    """What a lookup asks. One number and one of `purpose` and `procedure` are required."""

    fields: Iterable[str]
    """Paths of `Citizen`, at most 64; absent: every field the account may see."""
    max_staleness: timedelta | None
    """The oldest copy accepted, 0 to 30 days; zero goes to the national database. Absent: the account's ceiling."""


def lookup_request(arguments: LookupArguments) -> LookupCitizenRequest:
    """The request that the arguments mean; whether their values are valid is the gateway's to judge.

    Raises TypeError where a number or a purpose is missing or named twice.
    """
    request = LookupCitizenRequest(
        purpose=purpose_of(arguments), claims=arguments.get("claims"), request_id=arguments.get("request_id", "")
    )
    set_number(request, arguments)
    request.read_mask.paths.extend(arguments.get("fields", ()))
    max_staleness = arguments.get("max_staleness")
    if max_staleness is not None:
        request.max_staleness.FromTimedelta(max_staleness)
    return request


def set_number(
    request: LookupCitizenRequest | VerifyCitizenRequest | LookupHouseholdRequest, arguments: OneCitizen
) -> None:
    """Put the one number into a request; raises TypeError where there is none or more than one."""
    if ("personal_number" in arguments) == ("legacy_number" in arguments):
        raise TypeError("exactly one of personal_number and legacy_number is needed")
    if "personal_number" in arguments:
        request.personal_number = arguments["personal_number"]
    else:
        request.legacy_number = arguments["legacy_number"]


def purpose_of(arguments: Why) -> Purpose:
    """The purpose stated; raises TypeError where there is none or more than one."""
    if ("purpose" in arguments) == ("procedure" in arguments):
        raise TypeError("exactly one of purpose and procedure is needed")
    if "purpose" in arguments:
        return arguments["purpose"]
    return Purpose(procedure_code=arguments["procedure"])


def answered(message: Response, trailing: Iterable[tuple[str, str | bytes]]) -> Answer[Response]:
    """The answer that a response and its trailing metadata make."""
    pairs = [(name, value) for name, value in trailing if isinstance(value, str)]
    told = dict(pairs)
    receipts = tuple(value for name, value in pairs if name == RECEIPT_KEY)
    return Answer(
        message,
        told.get(REQUEST_ID_KEY, ""),
        receipts[0] if receipts else "",
        rate_limit(told.get("ratelimit", ""), told.get("ratelimit-policy", "")),
        receipts,
    )


def rate_limit(limits: str, policies: str) -> RateLimit | None:
    """Read `ratelimit` (`"name";r=remaining;t=seconds`) and `ratelimit-policy` (`"name";q=quota;w=seconds`).

    Of several limits the one with the least remaining counts. None where nothing can be read: an answer is not
    lost for a malformed side note.
    """
    held = [(name, values) for name, values in _items(limits) if "r" in values]
    if not held:
        return None
    name, values = min(held, key=lambda item: item[1]["r"])
    policy = dict(_items(policies)).get(name, {})
    return RateLimit(name, values["r"], _seconds(values.get("t")), policy.get("q"), _seconds(policy.get("w")))


def _items(text: str) -> Sequence[tuple[str, dict[str, int]]]:
    return [
        (
            item["quoted"] if item["quoted"] is not None else item["token"],
            {parameter["name"]: int(parameter["value"]) for parameter in _PARAMETER.finditer(item["parameters"])},
        )
        for item in _ITEM.finditer(text)
    ]


def _seconds(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)
