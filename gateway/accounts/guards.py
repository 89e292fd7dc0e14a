"""Which changes of accounts are refused to whom, whatever the method that carries them. Pure."""

from __future__ import annotations

from gateway.accounts.entries import AccountEntry, OrganisationEntry
from gateway.accounts.model import Account, AccountStatus
from gateway.errors import PermissionDeniedError, PreconditionError, Reason

ADMINISTRATOR = "administrator"


def require_rank(asker: Account, *entries: AccountEntry | None) -> None:
    """Raise unless the asker may touch these accounts: those with a role are an administrator's alone to change.

    Otherwise an operator could make an administrator, or a key of one.
    """
    if asker.admin_role != ADMINISTRATOR and any(entry is not None and entry.admin_role for entry in entries):
        raise PermissionDeniedError(Reason.METHOD_NOT_GRANTED, metadata={"role": ADMINISTRATOR})


def forbid_lock_out(asker: Account, after: AccountEntry | OrganisationEntry) -> None:
    """Raise where the change would take the asker's own account or role away: nobody could take it back."""
    own = after.key in {(asker.name,), (asker.organisation,)}
    if not own:
        return
    gone = after.status is not AccountStatus.ACTIVE
    if isinstance(after, AccountEntry):
        gone = gone or after.admin_role != asker.admin_role
    if gone:
        raise PreconditionError(Reason.STATE_CONFLICT, metadata={"obstacle": "own account"})
