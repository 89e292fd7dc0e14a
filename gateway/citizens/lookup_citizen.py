"""`LookupCitizen`: one citizen, narrowed to what is granted and asked.

Owns the contract of the request and what is compared before anything is disclosed.
"""

from __future__ import annotations

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import (
    check_mask,
    check_purpose,
    check_request_id,
    check_staleness,
    decode,
    staleness,
)
from gateway.citizens.answers import identified, provenance_of, refusal_for
from gateway.citizens.fields import citizen_selection
from gateway.citizens.freshness import allowed_staleness
from gateway.citizens.matching import compared_fields
from gateway.citizens.numbers import personal
from gateway.citizens.records import Records
from gateway.citizens.requests import check_claims, check_number, day_of, number_of, require_identity_claims
from gateway.errors import InvalidRequestError
from gateway.ports import AmbiguousNumberError, Clock, NationalDatabaseUnavailableError


class LookupCitizen:
    """Parses and answers `LookupCitizen`."""

    def __init__(self, *, records: Records, clock: Clock, allow_test_numbers: bool) -> None:
        """`allow_test_numbers`: whether 097 to 099 are accepted."""
        self._records = records
        self._clock = clock
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message = decode(request, citizen_service_pb2.LookupCitizenRequest)
        today = day_of(self._clock.now())
        violations = [
            *check_number(message, allow_test=self._allow_test_numbers, this_year=today.year),
            *check_claims(message.claims, today=today),
            *check_mask(message.read_mask, citizen_pb2.Citizen),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
            *check_staleness(message.max_staleness, present=message.HasField("max_staleness")),
            *check_request_id(message.request_id),
        ]
        if violations:
            raise InvalidRequestError(violations)
        return Question(
            message,
            (number_of(message),),
            tuple(message.read_mask.paths),
            message.purpose,
            message.request_id,
            tells=compared_fields(message.claims),
        )

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """The citizen, or `NotFoundError`, `PreconditionError`, `UnavailableError`, `InvalidRequestError`."""
        message = question.message
        assert isinstance(message, citizen_service_pb2.LookupCitizenRequest)
        assert inquiry.account is not None
        policy = inquiry.account.policy
        if policy.identity_check:
            require_identity_claims(message.claims)
        asked = staleness(message.max_staleness, present=message.HasField("max_staleness"))
        try:
            found = await self._records.find(
                question.subjects[0],
                staleness=allowed_staleness(asked, policy.staleness_ceiling),
                stale_if_error=policy.stale_if_error,
                deadline=inquiry.call.deadline,
            )
        except (NationalDatabaseUnavailableError, AmbiguousNumberError) as error:
            raise refusal_for(error) from error
        inquiry.source = found.source
        claims = message.claims if message.HasField("claims") else None
        citizen = identified(found, claims, today=day_of(self._clock.now()))
        selection = citizen_selection(policy.fields, question.fields)
        narrowed = selection.narrow(citizen)
        response = citizen_service_pb2.LookupCitizenResponse(citizen=narrowed, provenance=provenance_of(found))
        subject = personal(citizen.personal_number)
        return Answer(
            response,
            (Disclosure(subject, selection.paths, None, found.source, found.record.data_as_of),),
        )
