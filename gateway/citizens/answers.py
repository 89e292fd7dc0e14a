"""What answers about citizens share: who is identified, what stands for a failure, and where an answer came from.

Pure. Owns the rule that claims which do not match, and numbers that nobody holds, are one answer.
"""

from __future__ import annotations

from datetime import date

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.citizens.matching import first_mismatch
from gateway.citizens.records import Found
from gateway.errors import GatewayError, NotFoundError, PreconditionError, Reason, UnavailableError
from gateway.ports import AmbiguousNumberError, NationalDatabaseUnavailableError


def identified(found: Found, claims: citizen_pb2.Claims | None, *, today: date) -> citizen_pb2.Citizen:
    """The citizen, where somebody holds the number and every claim identifies them; raises `NotFoundError`."""
    citizen = found.record.citizen
    if claims is None:
        if citizen is None:
            raise NotFoundError(Reason.CITIZEN_NOT_FOUND)
    elif citizen is None or first_mismatch(claims, citizen, today=today) is not None:
        # With claims, "nobody" and "not this person" are one answer: neither confirms that the number is held.
        raise NotFoundError(Reason.IDENTITY_MISMATCH)
    return citizen


def refusal_for(error: NationalDatabaseUnavailableError | AmbiguousNumberError) -> GatewayError:
    """The refusal that a failed search means."""
    if isinstance(error, AmbiguousNumberError):
        return PreconditionError(Reason.AMBIGUOUS)
    return UnavailableError(
        Reason.NATIONAL_DB_UNAVAILABLE, retry_after_seconds=error.retry_after_seconds, cause=error.cause
    )


def provenance_of(found: Found) -> common_pb2.Provenance:
    """The provenance of a found record."""
    return provenance(
        found.source,
        data_as_of=found.record.data_as_of,
        fetched_at=found.record.fetched_at,
        version=found.record.version,
    )


def provenance(
    source: common_pb2.Provenance.Source.ValueType, *, data_as_of: float, fetched_at: float, version: int
) -> common_pb2.Provenance:
    """A provenance; times in seconds since the epoch, told to the microsecond."""
    told = common_pb2.Provenance(source=source, record_version=version)
    told.data_as_of.FromMicroseconds(int(data_as_of * 1e6))
    told.fetched_at.FromMicroseconds(int(fetched_at * 1e6))
    return told
