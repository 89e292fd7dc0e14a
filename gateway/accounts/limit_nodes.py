"""Which limits a call stands under: organisation, account, and the officer where there are limits for one. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from functools import lru_cache

from gateway.accounts.model import Account, LimitNode, Limits

_NO_LIMITS = Limits()


def limit_nodes(account: Account, officer_id: str) -> tuple[LimitNode, ...]:
    """The nodes from the organisation down.

    An officer's name holds a digest: what officers are called may be a citizen number, and names become keys.
    """
    if not officer_id:
        return account.nodes
    limits = account.policy.officer_limits
    officer = account.officers.get(officer_id)
    if officer is not None and officer.limits != _NO_LIMITS:
        limits = officer.limits if limits == _NO_LIMITS else over(officer.limits, limits)
    if limits == _NO_LIMITS:
        return account.nodes
    return (*account.nodes, _officer_node(account.name, account.organisation, officer_id, limits))


@lru_cache(maxsize=4096)
def _officer_node(account: str, organisation: str, officer_id: str, limits: Limits) -> LimitNode:
    digest = hashlib.blake2s(officer_id.encode(), digest_size=12, person=b"officer").hexdigest()
    return LimitNode(f"officer:{account}/{digest}", organisation, limits, officer_id)


def over(own: Limits, common: Limits) -> Limits:
    """An officer's own limits, and the common ones where it has none of a kind. A rate brings its own burst."""
    kinds = {kind.name for kind in fields(Limits) if getattr(own, kind.name) is None}
    if own.rate is not None:
        kinds.discard("burst")
    if own.misses_unlimited:
        kinds.discard("misses_per_hour")
    return replace(own, **{kind: getattr(common, kind) for kind in kinds})


def with_default_budget(limits: Limits, misses_per_hour: int | None) -> Limits:
    """The limits of an account, with the gateway's own budget of misses where they say nothing of misses."""
    if misses_per_hour is None or limits.misses_per_hour is not None or limits.misses_unlimited:
        return limits
    return replace(limits, misses_per_hour=misses_per_hour)


def shown(node: LimitNode) -> str:
    """The node's name as callers may see it: an officer's without the digest, which tells them nothing."""
    return node.name.rpartition("/")[0] if node.officer else node.name
