"""Step 4: whether the account may ask this, decided before anything is fetched. Pure."""

from __future__ import annotations

from ipaddress import ip_address

from gateway.accounts.model import EVERYTHING, Account, Policy
from gateway.calls.inquiry import Method, Question
from gateway.citizens.fields import first_path_not_granted
from gateway.errors import PermissionDeniedError, Reason


def authorise(account: Account, method: Method, question: Question, *, peer: str) -> None:
    """Raise `PermissionDeniedError` with the first rule that forbids the question."""
    policy = account.policy
    if not may_call_from(policy, peer):
        raise PermissionDeniedError(Reason.NETWORK_NOT_ALLOWED)
    if not may_call(account, method):
        raise PermissionDeniedError(Reason.METHOD_NOT_GRANTED, metadata={"scope": method.scope})
    if question.purpose is not None:
        if not may_ask_for(policy, question.purpose.procedure_code):
            raise PermissionDeniedError(Reason.PURPOSE_NOT_GRANTED)
        if policy.officer_required and not question.purpose.officer_id:
            raise PermissionDeniedError(Reason.OFFICER_UNKNOWN)
    forbidden = first_path_not_granted(policy.fields, (path for path in question.fields if path != EVERYTHING))
    if forbidden is not None:
        raise PermissionDeniedError(Reason.FIELD_NOT_GRANTED, metadata={"field": forbidden})


def may_call(account: Account, method: Method) -> bool:
    """Whether the method is granted: by role on the admin port, by scope elsewhere. No scope grants an admin method."""
    if method.admin_roles:
        return account.admin_role in method.admin_roles
    return EVERYTHING in account.policy.methods or method.scope in account.policy.methods


def may_call_from(policy: Policy, peer: str) -> bool:
    """Whether calls may come from this address. An unknown address (a unix socket) is inside no network."""
    if not policy.networks:
        return True
    if not peer:
        return False
    address = ip_address(peer)
    return any(address in network for network in policy.networks)


def may_ask_for(policy: Policy, procedure_code: str) -> bool:
    """Whether the procedure is granted: by its code, or by a prefix that ends in `*`."""
    return any(
        procedure_code == granted or (granted.endswith("*") and procedure_code.startswith(granted[:-1]))
        for granted in policy.procedures
    )
