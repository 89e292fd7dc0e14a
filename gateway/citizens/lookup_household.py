"""`LookupHousehold`: the household of a citizen, each member with the relation to its head.

Owns the contract of the request. Whom an account may see is `household_rights.py`'s. Always asks the national database:
who lives with whom is in no copy.
"""

from __future__ import annotations

from datetime import timedelta

from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.calls.inquiry import Answer, Disclosure, Inquiry, Question
from gateway.calls.validation import check_mask, check_purpose, check_request_id, decode
from gateway.citizens.answers import identified, provenance, refusal_for
from gateway.citizens.fields import Selection, citizen_selection, is_granted
from gateway.citizens.household_rights import EVERYBODY, HOUSEHOLD_ID, RELATION, may_see_member
from gateway.citizens.matching import compared_fields
from gateway.citizens.numbers import personal
from gateway.citizens.records import Records
from gateway.citizens.requests import check_claims, check_number, day_of, number_of, require_identity_claims
from gateway.errors import InvalidRequestError, NotFoundError, Reason
from gateway.model import CitizenNumber, HouseholdRecord, NumberKind
from gateway.ports import AmbiguousNumberError, Clock, Households, NationalDatabaseUnavailableError
from gateway.upstream.patience import Patience

_FRESH = common_pb2.Provenance.SOURCE_NATIONAL_DB


class LookupHousehold:
    """Parses and answers `LookupHousehold`."""

    def __init__(
        self,
        *,
        records: Records,
        households: Households,
        clock: Clock,
        timeout_seconds: float,
        allow_test_numbers: bool,
    ) -> None:
        """`timeout_seconds`: the longest wait; a caller's earlier deadline wins. `allow_test_numbers`: 097 to 099."""
        self._records = records
        self._households = households
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._allow_test_numbers = allow_test_numbers

    def parse(self, request: bytes) -> Question:
        """The question behind the bytes. Raises `InvalidRequestError` with every violation."""
        message = decode(request, citizen_service_pb2.LookupHouseholdRequest)
        today = day_of(self._clock.now())
        violations = [
            *check_number(message, allow_test=self._allow_test_numbers, this_year=today.year),
            *check_claims(message.claims, today=today),
            *check_mask(message.read_mask, citizen_pb2.Citizen),
            *check_purpose(message.purpose, present=message.HasField("purpose")),
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
            tells=(RELATION, *compared_fields(message.claims)),
        )

    async def handle(self, question: Question, inquiry: Inquiry) -> Answer:
        """The household as far as the account may see it.

        Raises `NotFoundError`, `PreconditionError`, `UnavailableError`, `InvalidRequestError`.
        """
        message = question.message
        assert isinstance(message, citizen_service_pb2.LookupHouseholdRequest)
        assert inquiry.account is not None
        policy = inquiry.account.policy
        if policy.identity_check:
            require_identity_claims(message.claims)
        claims = message.claims if message.HasField("claims") else None
        try:
            household = await self._find(question.subjects[0], claims, inquiry)
        except (NationalDatabaseUnavailableError, AmbiguousNumberError) as error:
            raise refusal_for(error) from error
        inquiry.source = _FRESH
        selection = citizen_selection(policy.fields, question.fields)
        return _answer(household, selection, policy.fields)

    async def _find(
        self, number: CitizenNumber, claims: citizen_pb2.Claims | None, inquiry: Inquiry
    ) -> HouseholdRecord:
        deadline = inquiry.call.deadline
        if claims is not None or number.kind is NumberKind.LEGACY:
            # Households answer to personal numbers alone, and whoever is in none is in no answer to compare with.
            found = await self._records.find(number, staleness=timedelta(0), stale_if_error=None, deadline=deadline)
            number = personal(identified(found, claims, today=day_of(self._clock.now())).personal_number)
        until = self._clock.monotonic() + self._timeout_seconds
        patience = Patience(until if deadline is None else min(until, deadline))
        household = await self._households.household_of(number, patience)
        if not household.is_held:
            raise NotFoundError(Reason.CITIZEN_NOT_FOUND)
        return household


def _answer(household: HouseholdRecord, selection: Selection[citizen_pb2.Citizen], fields: frozenset[str]) -> Answer:
    response = citizen_service_pb2.LookupHouseholdResponse()
    if is_granted(HOUSEHOLD_ID, fields):
        response.household_id = household.household_id
    shown = selection.paths if is_granted(EVERYBODY, frozenset(selection.paths)) else (RELATION, *selection.paths)
    told: list[Disclosure] = []
    version = 0
    for member in household.members:
        subject = personal(member.citizen.personal_number)
        is_subject = subject == household.number
        if is_subject:
            version = member.version
        if may_see_member(fields, member.relation, is_subject=is_subject):
            response.members.add(
                relation=member.relation,
                citizen=selection.narrow(member.citizen),
                is_subject=is_subject,
                record_version=member.version,
            )
            told.append(Disclosure(subject, shown, None, _FRESH, household.data_as_of))
    if not told:
        # That somebody has no household is told of them as well.
        told.append(Disclosure(household.number, (RELATION,), None, _FRESH, household.data_as_of))
    response.provenance.CopyFrom(
        provenance(_FRESH, data_as_of=household.data_as_of, fetched_at=household.fetched_at, version=version)
    )
    return Answer(response, tuple(told), further=len(told) - 1)
