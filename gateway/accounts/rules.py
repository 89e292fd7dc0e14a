"""Which rule of a policy decides. Pure; used alike by the calls themselves and by whoever asks why.

A rule is an exact value, a prefix that ends in `*`, or `*` alone; with `!` before it, it forbids. The most specific
rule that fits decides: an exact value before a prefix, the longest prefix; among equals `!` wins. What no rule fits is
forbidden.
Rules on fields are paths: one stands for the field and all below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from google.protobuf.descriptor import Descriptor

from gateway.accounts.model import EVERYTHING, Account, AccountStatus, Policy
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.registries.rights import roots

FORBIDS = "!"


@lru_cache(maxsize=8192)
def deciding_rule(rules: frozenset[str], value: str) -> str | None:
    """The rule that decides on a scope or a procedure code; None where none fits."""
    fitting = [rule for rule in rules if fits(rule, value)]
    return max(fitting, key=_weight, default=None)


def deciding_field_rule(rules: Iterable[str], path: str) -> str | None:
    """The rule that decides on a field: that of the path itself, else of the nearest field above; None where none."""
    known = frozenset(rules)
    at = path
    while at:
        for rule in (FORBIDS + at, at):
            if rule in known:
                return rule
        at = at.rpartition(".")[0]
    return next((rule for rule in (FORBIDS + EVERYTHING, EVERYTHING) if rule in known), None)


def grants(rule: str | None) -> bool:
    """Whether a deciding rule allows."""
    return rule is not None and not rule.startswith(FORBIDS)


def deciding_network(policy: Policy, peer: str) -> IPv4Network | IPv6Network | None:
    """The smallest network of the policy that holds the address. An unknown one (a unix socket) is in none."""
    if not peer:
        return None
    address = ip_address(peer)
    holding = [network for network in policy.networks if address in network]
    return max(holding, key=lambda network: network.prefixlen, default=None)


def may_ask_as(account: Account, officer_id: str, *, now: float) -> bool:
    """Whether the officer named may ask: known and in use where the policy requires one.

    Where it does not, an unknown or empty name passes, but not one that is registered and suspended or expired.
    """
    officer = account.officers.get(officer_id)
    if officer is None:
        return not account.policy.officer_required
    return officer.status is AccountStatus.ACTIVE and (officer.not_after is None or now < officer.not_after)


def compiled(policy: Policy, kinds: tuple[RegistryKind, ...] = REGISTRIES) -> Policy:
    """The policy with `fields` as paths that are granted in full, so that nobody downstream meets a `!`.

    Calls ask `fields`; `field_rules` keep what was written.
    """
    rules = policy.field_rules or policy.fields
    if not any(rule.startswith(FORBIDS) for rule in rules):
        return replace(policy, fields=rules, field_rules=frozenset())
    granted = frozenset(path for name, below in roots(kinds) for path in _granted_paths(name, below, rules))
    return replace(policy, fields=granted, field_rules=rules)


def _granted_paths(path: str, below: Descriptor | None, rules: frozenset[str]) -> Iterable[str]:
    inside = any(rule.removeprefix(FORBIDS).startswith(f"{path}.") for rule in rules)
    if inside and below is not None:
        for field in below.fields:
            yield from _granted_paths(f"{path}.{field.name}", field.message_type, rules)
    elif grants(deciding_field_rule(rules, path)):
        yield path


def fits(rule: str, value: str) -> bool:
    """Whether a rule speaks of a scope or a procedure code, be it to allow or to forbid."""
    pattern = rule.removeprefix(FORBIDS)
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _weight(rule: str) -> tuple[bool, int, bool]:
    pattern = rule.removeprefix(FORBIDS)
    return not pattern.endswith("*"), len(pattern), rule.startswith(FORBIDS)
