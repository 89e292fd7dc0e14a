"""What the national database holds of one person, as plain values.

Owns the shape of a record. Refuses to know where it comes from or how it is written on the wire (`wire`).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple

from mock_national_db.households import MaritalStatus, Relation, Sex
from mock_national_db.names import Name
from mock_national_db.places import Address

VIETNAM_TIME: Final = timezone(timedelta(hours=7))
NATIONALITY: Final = "VN"


class BirthDate(NamedTuple):
    """A date of birth, of which only the year is certain to be known."""

    year: int
    month: int | None = None
    day: int | None = None

    def __str__(self) -> str:
        """Return YYYY-MM-DD, or the part of it that is known."""
        if self.month is None:
            return f"{self.year:04d}"
        return f"{self.year:04d}-{self.month:02d}" + (f"-{self.day:02d}" if self.day is not None else "")


class Relative(NamedTuple):
    """Someone named in another's record; the number only where the national database knows it."""

    name: Name
    personal_number: str | None

    @property
    def full_name(self) -> str:
        """The whole name."""
        return self.name.full


class Membership(NamedTuple):
    """The household a person belongs to."""

    household_id: str
    head: Relative
    relation: Relation


@dataclass(slots=True)
class Person:
    """One record, with the attribute names of the public `Citizen` message.

    None means that the national database does not hold the value. Not frozen only because a frozen dataclass of this
    many fields takes four times as long to make, and one is made for every lookup; nothing changes one.
    """

    personal_number: str
    legacy_number: str | None
    name: Name
    birth_date: BirthDate
    sex: Sex
    ethnicity_code: str
    religion_code: str
    marital_status: MaritalStatus
    blood_type: str
    """Two digits: 00 unknown, 01 A, 02 B, 03 AB, 04 O."""
    birth_registration: Address
    home_town: Address
    permanent_residence: Address
    current_residence: Address
    father: Relative | None
    mother: Relative | None
    spouse: Relative | None
    representative: Relative | None
    household: Membership | None
    death_date: date | None
    """None for the living."""
    record_version: int
    updated_at: datetime
    nationality: str = NATIONALITY

    @property
    def full_name(self) -> str:
        """The whole name in the Vietnamese order."""
        return self.name.full

    @property
    def surname(self) -> str:
        """Surname (họ)."""
        return self.name.surname

    @property
    def middle_name(self) -> str:
        """Middle name (chữ đệm); may be empty."""
        return self.name.middle

    @property
    def given_name(self) -> str:
        """Given name (tên)."""
        return self.name.given

    @property
    def alive(self) -> bool:
        """Whether the person lives."""
        return self.death_date is None
