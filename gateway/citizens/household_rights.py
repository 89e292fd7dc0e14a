"""Which members of a household an account may see.

Pure. Other members are third persons, whom the citizen's dossier need not concern, so rights over the one field
`household` of the record that was asked for decide (docs/decisions/0053).
"""

from __future__ import annotations

from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.fields import is_granted

HEAD = "household.head"
EVERYBODY = "household"
HOUSEHOLD_ID = "household.household_id"
RELATION = "household.relation"
"""Told of every member shown, so whoever asks needs it."""


def may_see_member(
    fields: frozenset[str], relation: citizen_pb2.HouseholdRelation.ValueType, *, is_subject: bool
) -> bool:
    """Whether a member is shown: the citizen asked for, the head with its grant, all others with the whole grant."""
    if is_subject:
        return True
    return is_granted(HEAD if relation == citizen_pb2.HOUSEHOLD_RELATION_HEAD else EVERYBODY, fields)
