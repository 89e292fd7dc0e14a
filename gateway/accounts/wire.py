"""Entries as messages of the contract, and back. Pure; whether a message is valid is `gateway.accounts.checks`."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network

from google.protobuf.timestamp_pb2 import Timestamp

from dancu.account.v1 import account_pb2 as pb
from gateway.accounts.entries import (
    AccountEntry,
    BindingEntry,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
    OrganisationKind,
    RequestEntry,
    RequestState,
)
from gateway.accounts.model import AccountStatus, BindingKind, Limits, Policy

DEFAULT_STALENESS = timedelta(days=1)
LIMIT_NAMES = tuple(field.name for field in fields(Limits) if field.name in pb.Limits.DESCRIPTOR.fields_by_name)
"""The limits that can be managed: those that model and contract both know."""

STATUSES = {
    AccountStatus.ACTIVE: pb.STATUS_ACTIVE,
    AccountStatus.SUSPENDED: pb.STATUS_SUSPENDED,
}
KINDS = {
    OrganisationKind.MINISTRY: pb.ORGANISATION_KIND_MINISTRY,
    OrganisationKind.PROVINCE: pb.ORGANISATION_KIND_PROVINCE,
    OrganisationKind.OTHER: pb.ORGANISATION_KIND_OTHER,
}
BINDING_KINDS = {
    BindingKind.FINGERPRINT: pb.BINDING_KIND_FINGERPRINT,
    BindingKind.URI: pb.BINDING_KIND_URI,
    BindingKind.DNS: pb.BINDING_KIND_DNS,
    BindingKind.SUBJECT: pb.BINDING_KIND_SUBJECT,
    BindingKind.CLIENT: pb.BINDING_KIND_CLIENT,
}
STATES = {
    RequestState.PENDING: pb.ACCOUNT_REQUEST_STATE_PENDING,
    RequestState.APPROVED: pb.ACCOUNT_REQUEST_STATE_APPROVED,
    RequestState.REJECTED: pb.ACCOUNT_REQUEST_STATE_REJECTED,
}


def limits_to_wire(limits: Limits) -> pb.Limits:
    """The limits that are set."""
    message = pb.Limits()
    for name in LIMIT_NAMES:
        value = getattr(limits, name)
        if value is not None:
            setattr(message, name, value)
    return message


def limits_from_wire(message: pb.Limits) -> Limits:
    """Checked limits."""
    return Limits(**{field.name: value for field, value in message.ListFields() if field.name in LIMIT_NAMES})


def policy_to_wire(policy: Policy) -> pb.Policy:
    """The policy as written."""
    message = pb.Policy(
        methods=sorted(policy.methods),
        fields=sorted(policy.field_rules or policy.fields),
        procedures=sorted(policy.procedures),
        networks=[str(network) for network in policy.networks],
        officer_required=policy.officer_required,
        identity_check=policy.identity_check,
        officer_limits=limits_to_wire(policy.officer_limits),
        shadow=policy.shadow,
    )
    message.staleness_ceiling.FromTimedelta(policy.staleness_ceiling)
    if policy.stale_if_error is not None:
        message.stale_if_error.FromTimedelta(policy.stale_if_error)
    if policy.confidential_until is not None:
        message.confidential_until.CopyFrom(_time(int(policy.confidential_until)))
    return message


def policy_from_wire(message: pb.Policy, *, version: int) -> Policy:
    """A checked policy."""
    has = message.HasField
    return Policy(
        version=version,
        methods=frozenset(message.methods),
        fields=frozenset(message.fields),
        procedures=frozenset(message.procedures),
        networks=tuple(sorted({ip_network(one) for one in message.networks}, key=str)),
        officer_required=message.officer_required,
        identity_check=message.identity_check,
        staleness_ceiling=message.staleness_ceiling.ToTimedelta() if has("staleness_ceiling") else DEFAULT_STALENESS,
        stale_if_error=message.stale_if_error.ToTimedelta() if has("stale_if_error") else None,
        confidential_until=float(message.confidential_until.seconds) if has("confidential_until") else None,
        officer_limits=limits_from_wire(message.officer_limits),
        shadow=message.shadow,
    )


def organisation_to_wire(entry: OrganisationEntry) -> pb.Organisation:
    """The message of an organisation."""
    return pb.Organisation(
        code=entry.code,
        name=entry.name,
        kind=KINDS[entry.kind],
        status=STATUSES[entry.status],
        limits=limits_to_wire(entry.limits),
    )


def organisation_from_wire(message: pb.Organisation) -> OrganisationEntry:
    """A checked organisation."""
    kinds = {number: kind for kind, number in KINDS.items()}
    return OrganisationEntry(
        code=message.code,
        name=message.name,
        kind=kinds.get(message.kind, OrganisationKind.OTHER),
        status=_status(message.status),
        limits=limits_from_wire(message.limits),
    )


def account_to_wire(entry: AccountEntry) -> pb.Account:
    """The message of an account."""
    return pb.Account(
        name=entry.name,
        status=STATUSES[entry.status],
        policy=policy_to_wire(entry.policy),
        limits=limits_to_wire(entry.limits),
        test=entry.test,
        admin_role=entry.admin_role,
        not_after=_optional_time(entry.not_after),
        policy_version=entry.policy.version,
    )


def account_from_wire(message: pb.Account, *, version: int = 1) -> AccountEntry:
    """A checked account."""
    return AccountEntry(
        name=message.name,
        status=_status(message.status),
        policy=policy_from_wire(message.policy, version=version),
        limits=limits_from_wire(message.limits),
        test=message.test,
        admin_role=message.admin_role,
        not_after=message.not_after.seconds if message.HasField("not_after") else None,
    )


def officer_to_wire(entry: OfficerEntry) -> pb.Officer:
    """The message of an officer."""
    return pb.Officer(
        account=entry.account,
        officer_id=entry.officer_id,
        label=entry.label,
        status=STATUSES[entry.status],
        limits=limits_to_wire(entry.limits),
        not_after=_optional_time(entry.not_after),
    )


def officer_from_wire(message: pb.Officer) -> OfficerEntry:
    """A checked officer."""
    return OfficerEntry(
        account=message.account,
        officer_id=message.officer_id,
        label=message.label,
        status=_status(message.status),
        limits=limits_from_wire(message.limits),
        not_after=message.not_after.seconds if message.HasField("not_after") else None,
    )


def binding_to_wire(entry: BindingEntry) -> pb.Binding:
    """The message of a binding."""
    return pb.Binding(
        kind=BINDING_KINDS[entry.kind],
        value=entry.value,
        account=entry.account,
        label=entry.label,
        status=STATUSES[entry.status],
        created_at=_time(entry.created_at) if entry.created_at else None,
        not_after=_optional_time(entry.not_after),
        last_used_at=_optional_time(entry.last_used_at),
    )


def binding_from_wire(message: pb.Binding) -> BindingEntry:
    """A checked binding as stated: what the gateway itself knows of it is not in it."""
    return BindingEntry(
        kind=binding_kind(message.kind),
        value=message.value,
        account=message.account,
        label=message.label,
        status=_status(message.status),
        created_at=0,
        not_after=message.not_after.seconds if message.HasField("not_after") else None,
    )


def binding_kind(number: pb.BindingKind.ValueType) -> BindingKind:
    """A checked kind."""
    return next(kind for kind, wire in BINDING_KINDS.items() if wire == number)


def key_to_wire(entry: KeyEntry) -> pb.Key:
    """The message of a key; never its secret or the hash of it."""
    return pb.Key(
        key_id=entry.key_id,
        account=entry.account,
        created_at=_time(entry.created_at),
        not_after=_optional_time(entry.not_after),
        revoked_at=_optional_time(entry.revoked_at),
        last_used_at=_optional_time(entry.last_used_at),
    )


def request_to_wire(entry: RequestEntry) -> pb.AccountRequest:
    """The message of a request."""
    return pb.AccountRequest(
        id=entry.request_key,
        organisation=entry.organisation,
        asker=entry.asker,
        name=entry.name,
        policy=policy_to_wire(entry.policy),
        limits=limits_to_wire(entry.limits),
        justification=entry.justification,
        state=STATES[entry.state],
        decision=entry.decision,
        created_at=_time(entry.created_at),
        decided_at=_optional_time(entry.decided_at),
    )


def state_filter(state: pb.AccountRequestState.ValueType) -> dict[str, str]:
    """The filter of a list by state; none for an unspecified one."""
    return next(({"state": kind.value} for kind, number in STATES.items() if number == state), {})


def _status(status: pb.Status.ValueType) -> AccountStatus:
    return AccountStatus.SUSPENDED if status == pb.STATUS_SUSPENDED else AccountStatus.ACTIVE


def _time(seconds: int) -> Timestamp:
    return Timestamp(seconds=seconds)


def _optional_time(seconds: int | None) -> Timestamp | None:
    return None if seconds is None else _time(seconds)
