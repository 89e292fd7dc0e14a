"""What a change of a record means for copies of it. Pure.

Versions order the states of one record; no clock takes part, because a change and a copy may have been seen by
different machines. That nobody holds a number is version 0: such a copy has no place in that order, only a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import CitizenNumber, CitizenRecord

NOT_HELD = 0
"""The version of a copy that says that nobody holds the number."""


@dataclass(frozen=True, slots=True, repr=False)
class Change:
    """A record moved on to `version`, or was withdrawn with it. `changed_at`: seconds since the epoch, upstream."""

    number: CitizenNumber
    version: int
    withdrawn: bool
    changed_at: float

    def __repr__(self) -> str:
        return f"Change({self.number!r}, version={self.version}, withdrawn={self.withdrawn})"


def may_keep(version: int, *, changed_to: int, withdrawn: bool) -> bool:
    """Whether a copy of `version` may be kept, or come in late, once a change is known."""
    if version == NOT_HELD:
        # A birth proves "nobody" wrong; a withdrawal proves it right.
        return withdrawn
    return version > changed_to if withdrawn else version >= changed_to


def supersedes(new: CitizenRecord, held: CitizenRecord) -> bool:
    """Whether `new` is at least as late a state as `held`, of the same number."""
    if NOT_HELD not in {new.version, held.version} and new.version != held.version:
        return new.version > held.version
    return new.data_as_of >= held.data_as_of
