"""Whether claims sent to a registry's lookup are true of the person, which the population database decides.

Registries have dirt in their names and dates, so they are no judges of identity.
"""

from __future__ import annotations

from datetime import date, timedelta

from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.matching import first_mismatch
from gateway.citizens.records import Records
from gateway.errors import NotFoundError, Reason, UnavailableError
from gateway.model import CitizenNumber
from gateway.ports import NationalDatabaseUnavailableError


class IdentityCheck:
    """Compares claims with the population."""

    def __init__(self, records: Records) -> None:
        """`records` finds citizens."""
        self._records = records

    async def require(
        self,
        number: CitizenNumber,
        claims: citizen_pb2.Claims,
        *,
        staleness: timedelta,
        stale_if_error: timedelta | None,
        deadline: float | None,
        today: date,
    ) -> None:
        """Return when every claim is true.

        Raises `NotFoundError` (IDENTITY_MISMATCH) equally for claims that do not match and for a number nobody holds,
        and `UnavailableError` (NATIONAL_DB_UNAVAILABLE).
        """
        try:
            found = await self._records.find(
                number, staleness=staleness, stale_if_error=stale_if_error, deadline=deadline
            )
        except NationalDatabaseUnavailableError as error:
            raise UnavailableError(
                Reason.NATIONAL_DB_UNAVAILABLE, retry_after_seconds=error.retry_after_seconds, cause=error.cause
            ) from error
        citizen = found.record.citizen
        if citizen is None or first_mismatch(claims, citizen, today=today) is not None:
            raise NotFoundError(Reason.IDENTITY_MISMATCH)
