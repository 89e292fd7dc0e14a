"""Policies and limits as JSON columns, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from gateway.accounts.model import Limits, Policy


def limits_to_json(limits: Limits) -> dict[str, int]:
    """The limits that are set."""
    return {name: value for name, value in asdict(limits).items() if value is not None and value is not False}


def limits_from_json(stored: Mapping[str, Any]) -> Limits:
    """Limits as stored by `limits_to_json`."""
    return Limits(**stored)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """A policy without its version, which has a column of its own."""
    return {
        "methods": sorted(policy.methods),
        "fields": sorted(policy.field_rules or policy.fields),
        "procedures": sorted(policy.procedures),
        "networks": [str(network) for network in policy.networks],
        "officer_required": policy.officer_required,
        "identity_check": policy.identity_check,
        "staleness_ceiling_seconds": policy.staleness_ceiling.total_seconds(),
        "stale_if_error_seconds": None if policy.stale_if_error is None else policy.stale_if_error.total_seconds(),
        "confidential_until": policy.confidential_until,
        "officer_limits": limits_to_json(policy.officer_limits),
        "shadow": policy.shadow,
    }


def policy_from_json(stored: Mapping[str, Any], *, version: int) -> Policy:
    """A policy as stored by `policy_to_json`: as written, not compiled."""
    stale = stored["stale_if_error_seconds"]
    return Policy(
        version=version,
        methods=frozenset(stored["methods"]),
        fields=frozenset(stored["fields"]),
        procedures=frozenset(stored["procedures"]),
        networks=tuple(ip_network(network) for network in stored["networks"]),
        officer_required=stored["officer_required"],
        identity_check=stored["identity_check"],
        staleness_ceiling=timedelta(seconds=stored["staleness_ceiling_seconds"]),
        stale_if_error=None if stale is None else timedelta(seconds=stale),
        confidential_until=stored.get("confidential_until"),
        officer_limits=limits_from_json(stored.get("officer_limits", {})),
        shadow=stored.get("shadow", False),
    )
