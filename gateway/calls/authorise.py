"""Step 4: whether the account may ask this, decided before anything is fetched. Pure."""

from __future__ import annotations

from gateway.accounts.model import EVERYTHING, Account, Policy
from gateway.accounts.rules import deciding_network, deciding_rule, grants, may_ask_as
from gateway.calls.inquiry import Method, Question
from gateway.citizens.fields import first_path_not_granted
from gateway.errors import PermissionDeniedError, Reason

EVERYBODYS_SCOPES = frozenset({"receipt.read"})
"""Rights of every account, whatever its policy says: proving one's own lookups is not an operator's to withhold."""


def authorise(
    account: Account,
    method: Method,
    question: Question,
    *,
    peer: str,
    now: float,
    token_scopes: frozenset[str] | None = None,
) -> None:
    """Raise `PermissionDeniedError` with the first rule that forbids the question; `now` in seconds since the epoch.

    `token_scopes` are the rules of an access token: they narrow what the account may call and never widen it.
    """
    policy = account.policy
    if not may_call_from(policy, peer):
        raise PermissionDeniedError(Reason.NETWORK_NOT_ALLOWED)
    if not may_call(account, method):
        raise PermissionDeniedError(Reason.METHOD_NOT_GRANTED, metadata={"scope": method.scope})
    if token_scopes is not None and not grants(deciding_rule(token_scopes, method.scope)):
        raise PermissionDeniedError(Reason.METHOD_NOT_GRANTED, metadata={"scope": method.scope, "by": "token"})
    if question.purpose is not None:
        if not may_ask_for(policy, question.purpose.procedure_code):
            raise PermissionDeniedError(Reason.PURPOSE_NOT_GRANTED)
        if not may_ask_as(account, question.purpose.officer_id, now=now):
            raise PermissionDeniedError(Reason.OFFICER_UNKNOWN)
    asked = (path for path in (*question.fields, *question.tells) if path != EVERYTHING)
    forbidden = first_path_not_granted(policy.fields, asked)
    if forbidden is not None:
        raise PermissionDeniedError(Reason.FIELD_NOT_GRANTED, metadata={"field": forbidden})


def may_call(account: Account, method: Method) -> bool:
    """Whether the method is granted: by role on the admin port, by scope elsewhere. No scope grants an admin method."""
    if method.admin_roles:
        return account.admin_role in method.admin_roles
    return method.scope in EVERYBODYS_SCOPES or grants(deciding_rule(account.policy.methods, method.scope))


def may_call_from(policy: Policy, peer: str) -> bool:
    """Whether calls may come from this address. An unknown address (a unix socket) is inside no network."""
    return not policy.networks or deciding_network(policy, peer) is not None


def may_ask_for(policy: Policy, procedure_code: str) -> bool:
    """Whether the most specific rule that fits the procedure grants it."""
    return grants(deciding_rule(policy.procedures, procedure_code))
