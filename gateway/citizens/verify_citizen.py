"""`VerifyCitizen`: for each claim whether it is true, and nothing else of the citizen.

Owns the contract of the request, and what a verification discloses and costs: its record names the claims compared and
those that did not match; one that does not match is a miss.
"""

from __future__ import annotations

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import check_purpose, check_request_id, check_staleness, decode, staleness
from gateway.citizens.answers import identified, provenance_of, refusal_for
from gateway.citizens.freshness import allowed_staleness
from gateway.citizens.matching import IDENTITY_CLAIMS, ClaimVerdict, claims_in, compared_fields, verdicts
from gateway.citizens.numbers import personal
from gateway.citizens.records import Records
from gateway.citizens.requests import check_claims, check_number, day_of, number_of, require_identity_claims
from gateway.errors import InvalidRequestError, Violation
from gateway.ports import AmbiguousNumberError, Clock, NationalDatabaseUnavailableError


class VerifyCitizen:
    """Parses and answers `VerifyCitizen`."""

    def __init__(self, *, records: Records, clock: Clock, allow_test_numbers: bool) -> None:
        """`allow_test_numbers`: whether 097 to 099 are accepted."""
        self._records = records
        self._clock = clock
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message = decode(request, citizen_service_pb2.VerifyCitizenRequest)
        today = day_of(self._clock.now())
        violations = [
            *check_number(message, allow_test=self._allow_test_numbers, this_year=today.year),
            *check_claims(message.claims, today=today),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
            *check_staleness(message.max_staleness, present=message.HasField("max_staleness")),
            *check_request_id(message.request_id),
        ]
        if not claims_in(message.claims):
            violations.append(Violation("claims", "needs at least one claim", "cần ít nhất một thông tin để đối chiếu"))
        if violations:
            raise InvalidRequestError(violations)
        return Question(
            message,
            (number_of(message),),
            (),
            message.purpose,
            message.request_id,
            tells=compared_fields(message.claims),
        )

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """The verdicts, or `NotFoundError`, `PreconditionError`, `UnavailableError`, `InvalidRequestError`."""
        message = question.message
        assert isinstance(message, citizen_service_pb2.VerifyCitizenRequest)
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
        today = day_of(self._clock.now())
        # Whose law asks for name and birth date learns nothing of anybody else; for others a mismatch is the answer.
        citizen = identified(found, _identity(message.claims) if policy.identity_check else None, today=today)
        told = verdicts(message.claims, citizen, today=today)
        response = citizen_service_pb2.VerifyCitizenResponse(
            results=[_result(verdict) for verdict in told], provenance=provenance_of(found)
        )
        disclosure = Disclosure(
            personal(citizen.personal_number),
            tuple(_path(verdict) for verdict in told),
            None,
            found.source,
            found.record.data_as_of,
            mismatched=tuple(
                _path(verdict) for verdict in told if verdict.verdict == citizen_service_pb2.VERDICT_MISMATCH
            ),
        )
        return Answer(response, (disclosure,))


def _identity(claims: citizen_pb2.Claims) -> citizen_pb2.Claims:
    return citizen_pb2.Claims(**{name: getattr(claims, name) for name in IDENTITY_CLAIMS})


def _path(verdict: ClaimVerdict) -> str:
    return f"claims.{verdict.claim}"


def _result(verdict: ClaimVerdict) -> citizen_service_pb2.ClaimResult:
    return citizen_service_pb2.ClaimResult(
        claim=verdict.claim, verdict=verdict.verdict, normalizations=verdict.normalizations
    )
