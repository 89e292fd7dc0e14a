"""`BulkLookupCitizens`: many citizens, each answered or refused by itself, in the order asked.

Owns the contract of the request and what belongs to the call and what to an item: the mask, the purpose and the number
of items refuse all of it, a number or claims only their item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.audit.receipt import Receipt
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import (
    check_mask,
    check_purpose,
    check_request_id,
    check_staleness,
    decode,
    staleness,
)
from gateway.citizens.answers import identified, refusal_for, set_provenance
from gateway.citizens.fields import Selection, citizen_selection
from gateway.citizens.freshness import allowed_staleness
from gateway.citizens.many_records import Failure, find_many
from gateway.citizens.matching import compared_fields
from gateway.citizens.numbers import personal
from gateway.citizens.records import Found, Records
from gateway.citizens.requests import check_claims, check_identity_claims, check_number, day_of, number_of
from gateway.errors import GatewayError, InvalidRequestError, NotFoundError, Reason, Violation
from gateway.model import CitizenNumber
from gateway.ports import Clock
from gateway.transport.statuses import status_of

MAX_ITEMS: Final = 500

_TELLING: Final = (
    common_pb2.Provenance.SOURCE_STALE_CACHE,
    common_pb2.Provenance.SOURCE_NATIONAL_DB,
    common_pb2.Provenance.SOURCE_CACHE,
)
"""Which source a call with several counts under: the one that says most of how it was answered."""

_Asked: TypeAlias = CitizenNumber | InvalidRequestError


@dataclass(frozen=True, slots=True)
class BulkQuestion(Question):
    """A question whose items may be invalid one by one."""

    asked: tuple[_Asked, ...] = ()
    """For each item its number, or what is wrong with it."""


class BulkLookupCitizens:
    """Parses and answers `BulkLookupCitizens`."""

    def __init__(self, *, records: Records, clock: Clock, allow_test_numbers: bool) -> None:
        """`allow_test_numbers`: whether 097 to 099 are accepted."""
        self._records = records
        self._clock = clock
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> BulkQuestion:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation that concerns the call."""
        message = decode(request, citizen_service_pb2.BulkLookupCitizensRequest)
        violations = [
            *_check_size(len(message.items)),
            *check_mask(message.read_mask, citizen_pb2.Citizen),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
            *check_staleness(message.max_staleness, present=message.HasField("max_staleness")),
            *check_request_id(message.request_id),
        ]
        if violations:
            raise InvalidRequestError(violations)
        today = day_of(self._clock.now())
        asked = tuple([self._asked(item, today) for item in message.items])
        tells = {
            path: None for item in message.items if item.HasField("claims") for path in compared_fields(item.claims)
        }
        return BulkQuestion(
            message,
            tuple([number for number in asked if isinstance(number, CitizenNumber)]),
            tuple(message.read_mask.paths),
            message.purpose,
            message.request_id,
            tells=tuple(tells),
            asked=asked,
        )

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """A result for each item. Raises nothing that concerns a single one."""
        assert isinstance(question, BulkQuestion)
        message = question.message
        assert isinstance(message, citizen_service_pb2.BulkLookupCitizensRequest)
        assert inquiry.account is not None
        policy = inquiry.account.policy
        asked = question.asked
        if policy.identity_check:
            asked = tuple([_with_identity(number, item) for number, item in zip(asked, message.items, strict=True)])
        stale = staleness(message.max_staleness, present=message.HasField("max_staleness"))
        answers = await find_many(
            self._records,
            [number for number in asked if isinstance(number, CitizenNumber)],
            staleness=allowed_staleness(stale, policy.staleness_ceiling),
            stale_if_error=policy.stale_if_error,
            deadline=inquiry.call.deadline,
        )
        selection = citizen_selection(policy.fields, question.fields)
        return _Answers(answers, selection, today=day_of(self._clock.now())).answer(message, asked, inquiry)

    def _asked(self, item: citizen_service_pb2.BulkLookupCitizensItem, today: date) -> _Asked:
        violations = check_number(item, allow_test=self._allow_test_numbers, this_year=today.year)
        if item.HasField("claims"):
            violations += check_claims(item.claims, today=today)
        return InvalidRequestError(violations) if violations else number_of(item)


class _Answers:
    """Turns what was found into the results of one call and their records."""

    def __init__(
        self,
        answers: Sequence[Found | Failure],
        selection: Selection[citizen_pb2.Citizen],
        *,
        today: date,
    ) -> None:
        self._answers = iter(answers)
        """Of the valid items, in their order."""
        self._selection = selection
        self._today = today

    def answer(
        self,
        message: citizen_service_pb2.BulkLookupCitizensRequest,
        asked: tuple[_Asked, ...],
        inquiry: Inquiry,
    ) -> Answer:
        response = citizen_service_pb2.BulkLookupCitizensResponse()
        disclosures: list[Disclosure] = []
        positions: list[int] = []
        """Of each item, the position of its record."""
        invalid: list[int] = []
        for position, (number, item) in enumerate(zip(asked, message.items, strict=True)):
            result = response.items.add()
            if isinstance(number, InvalidRequestError):
                _set_status(result, number)
                invalid.append(position)
                positions.append(-1)
                continue
            positions.append(len(disclosures))
            disclosures.append(self._fill(result, number, item.claims if item.HasField("claims") else None))
        if invalid:
            # They are no citizens, so one record speaks for all: nonsense must not fill the disk five hundredfold.
            disclosures.append(Disclosure(None, outcome=Reason.INVALID_REQUEST, items=len(invalid)))
            for position in invalid:
                positions[position] = len(disclosures) - 1
        sources = {told.source for told in disclosures}
        inquiry.source = next((source for source in _TELLING if source in sources), inquiry.source)

        def attach(receipts: Sequence[Receipt]) -> None:
            texts = [str(receipt) for receipt in receipts]
            for result, position in zip(response.items, positions, strict=True):
                result.receipt = texts[position]

        return Answer(response, tuple(disclosures), attach=attach)

    def _fill(
        self,
        result: citizen_service_pb2.BulkLookupCitizensResult,
        number: CitizenNumber,
        claims: citizen_pb2.Claims | None,
    ) -> Disclosure:
        found = next(self._answers)
        if not isinstance(found, Found):
            refusal = refusal_for(found)
            _set_status(result, refusal)
            return Disclosure(number, outcome=refusal.reason)
        try:
            citizen = identified(found, claims, today=self._today)
        except NotFoundError as missed:
            _set_status(result, missed)
            return Disclosure(number, (), missed.reason, found.source, found.record.data_as_of)
        result.citizen.CopyFrom(self._selection.narrow(citizen))
        set_provenance(result.provenance, found)
        return Disclosure(
            number if number.digits == citizen.personal_number else personal(citizen.personal_number),
            self._selection.paths,
            None,
            found.source,
            found.record.data_as_of,
        )


def _with_identity(number: _Asked, item: citizen_service_pb2.BulkLookupCitizensItem) -> _Asked:
    missing = check_identity_claims(item.claims)
    if isinstance(number, InvalidRequestError):
        return InvalidRequestError([*number.violations, *missing])
    return InvalidRequestError(missing) if missing else number


def _check_size(items: int) -> list[Violation]:
    if 1 <= items <= MAX_ITEMS:
        return []
    return [Violation("items", f"must be 1 to {MAX_ITEMS}", f"phải từ 1 đến {MAX_ITEMS}")]


def _set_status(result: citizen_service_pb2.BulkLookupCitizensResult, refusal: GatewayError) -> None:
    # Field for field the same message: see `dancu.common.v1.Status`.
    result.status.ParseFromString(status_of(refusal).SerializeToString())
