"""The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-10, as trailing metadata of answers and refusals. Pure.

Policies are named after the kind of node (`organisation`, `account`, `officer`), a daily quota with `-day`; the unit is
citizens. `ratelimit-policy` lists every limit that applies, `ratelimit` tells what is left of the tightest.
"""

from __future__ import annotations

import math
from functools import lru_cache

from gateway.accounts.model import LimitNode
from gateway.errors import Reason
from gateway.ports import Admission

_DAY_SECONDS = 86_400


def rate_limit_fields(nodes: tuple[LimitNode, ...], admission: Admission) -> tuple[tuple[str, str], ...]:
    """The two fields for a call that was counted on `nodes`, at least one of them."""
    if admission.refused_by is not None:
        name = _kind(admission.refused_by)
        if admission.reason is Reason.DAILY_QUOTA_EXHAUSTED:
            name += "-day"
        left, seconds = 0, max(1, math.ceil(admission.retry_after_seconds))
    else:
        name, seconds = _tightest(nodes)
        left = admission.remaining or 0
    return (("ratelimit", f'"{name}";r={left};t={seconds}'), ("ratelimit-policy", _policies(nodes)))


@lru_cache(maxsize=1024)
def _policies(nodes: tuple[LimitNode, ...]) -> str:
    told = []
    for node in nodes:
        if node.limits.rate is not None:
            told.append(f'"{_kind(node)}";q={node.limits.rate};w=1')
        if node.limits.daily is not None:
            told.append(f'"{_kind(node)}-day";q={node.limits.daily};w={_DAY_SECONDS}')
    return ", ".join(told)


@lru_cache(maxsize=1024)
def _tightest(nodes: tuple[LimitNode, ...]) -> tuple[str, int]:
    rated = [node for node in nodes if node.limits.rate is not None]
    if rated:
        return _kind(min(rated, key=lambda node: node.limits.rate or 0)), 1
    return f"{_kind(nodes[-1])}-day", _DAY_SECONDS


def _kind(node: LimitNode) -> str:
    return node.name.partition(":")[0]
