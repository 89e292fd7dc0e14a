"""Why a call would be allowed or refused: every rule examined, in the order of a call. Pure.

Uses the very functions that decide calls, so the explanation cannot drift from the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as kinds_of

from gateway.accounts.entries import BindingEntry, KeyEntry
from gateway.accounts.limit_nodes import limit_nodes, shown
from gateway.accounts.model import Account, AccountStatus, LimitNode, Limits
from gateway.accounts.rules import (
    FORBIDS,
    deciding_field_rule,
    deciding_network,
    deciding_rule,
    grants,
    may_ask_as,
)
from gateway.citizens.fields import first_path_not_granted
from gateway.errors import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule examined."""

    subject: str
    """`key`, `account`, `network`, `method`, `procedure`, `officer`, `field:<path>` or `limit:<node>`."""
    reason: Reason | None
    """Why it refuses; None where it passes."""
    rule: str
    """The rule that decides, as written, empty where none fits; for a limit, all that are in force at the node."""


def explain(
    account: Account,
    scope: str,
    *,
    fields: Sequence[str],
    procedure: str,
    officer_id: str,
    peer: str,
    now: float,
    admin_roles: frozenset[str] = frozenset(),
) -> list[Verdict]:
    """What decides a call of `scope`; an empty `procedure` or `peer` is not examined.

    `admin_roles`: those that may call the method, where it is one of the admin port.
    """
    policy = account.policy
    found = [_of_account(account, now=now)]
    if peer:
        network = deciding_network(policy, peer)
        outside = bool(policy.networks) and network is None
        found.append(Verdict("network", Reason.NETWORK_NOT_ALLOWED if outside else None, str(network or "")))
    if admin_roles:
        refused = account.admin_role not in admin_roles
        found.append(Verdict("method", Reason.METHOD_NOT_GRANTED if refused else None, f"role {account.admin_role}"))
    else:
        rule = deciding_rule(policy.methods, scope)
        found.append(Verdict("method", None if grants(rule) else Reason.METHOD_NOT_GRANTED, rule or ""))
    if procedure:
        rule = deciding_rule(policy.procedures, procedure)
        found.append(Verdict("procedure", None if grants(rule) else Reason.PURPOSE_NOT_GRANTED, rule or ""))
        known = may_ask_as(account, officer_id, now=now)
        required = "officer_required" if policy.officer_required else ""
        found.append(Verdict("officer", None if known else Reason.OFFICER_UNKNOWN, required))
    found += [_of_field(account, path) for path in fields]
    return found + [
        _of_limits(node, is_shadow=policy.shadow) for node in limit_nodes(account, officer_id) if told_of(node.limits)
    ]


def of_credentials(keys: Sequence[KeyEntry], bindings: Sequence[BindingEntry], *, now: float) -> Verdict:
    """Whether anything opens the account: without that, no rule is ever asked."""
    live_keys = sum(one.is_live(now) for one in keys)
    live_bindings = sum(
        one.status is AccountStatus.ACTIVE and (one.not_after is None or now < one.not_after) for one in bindings
    )
    closed = Reason.KEY_EXPIRED if keys else Reason.KEY_MISSING
    rule = f"live keys {live_keys}, live bindings {live_bindings}"
    return Verdict("key", None if live_keys or live_bindings else closed, rule)


def told_of(limits: Limits) -> str:
    """The limits that are set, on one line."""
    stated = [(kind.name, getattr(limits, kind.name)) for kind in kinds_of(Limits)]
    return ", ".join(name if value is True else f"{name} {value}" for name, value in stated if value)


def _of_limits(node: LimitNode, *, is_shadow: bool) -> Verdict:
    # Whether there is room now is not asked: the explanation is of rules.
    note = " (shadow: counted, refuses nothing)" if is_shadow else ""
    return Verdict(f"limit:{shown(node)}", None, told_of(node.limits) + note)


def _of_account(account: Account, *, now: float) -> Verdict:
    if account.status is not AccountStatus.ACTIVE:
        return Verdict("account", Reason.ACCOUNT_SUSPENDED, account.status.value)
    if account.not_after is not None and now >= account.not_after:
        return Verdict("account", Reason.ACCOUNT_EXPIRED, "not_after")
    return Verdict("account", None, account.status.value)


def _of_field(account: Account, path: str) -> Verdict:
    policy = account.policy
    rules = policy.field_rules or policy.fields
    rule = deciding_field_rule(rules, path)
    if first_path_not_granted(policy.fields, [path]) is None:
        return Verdict(f"field:{path}", None, rule or "")
    if grants(rule):
        # The field itself is granted, but a part of it is not: asking for the whole would disclose that part.
        rule = min((one for one in rules if one.startswith(f"{FORBIDS}{path}.")), default=rule)
    return Verdict(f"field:{path}", Reason.FIELD_NOT_GRANTED, rule or "")
