"""The whole tree of accounts as one TOML file that can live in git. Pure; holds no secret.

    [organisation.01]
    name = "Thành phố Hà Nội"
    kind = "province"

    [organisation.01.account.mot-cua]
    methods = ["citizen.lookup"]
    limits = { rate = 50 }

    [organisation.01.account.mot-cua.officer.cb-17]
    label = "Quầy 3"

    [organisation.01.account.mot-cua.binding."uri:spiffe://example.vn/mot-cua"]
    label = "Máy chủ một cửa"

What is left out has its default; unknown names are mistakes, all told at once.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dancu.account.v1 import account_pb2 as pb

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LISTS = ("methods", "fields", "procedures", "networks")
_FLAGS = ("officer_required", "identity_check", "shadow")
_LIMIT_FLAGS = ("misses_unlimited",)
_SPANS = ("staleness_ceiling", "stale_if_error")
_STATUSES = {"active": pb.STATUS_ACTIVE, "suspended": pb.STATUS_SUSPENDED}
ORGANISATION_KINDS = {
    "ministry": pb.ORGANISATION_KIND_MINISTRY,
    "province": pb.ORGANISATION_KIND_PROVINCE,
    "other": pb.ORGANISATION_KIND_OTHER,
}
"""Kinds of organisations as files and commands call them."""
BINDING_KINDS = {
    name.removeprefix("BINDING_KIND_").lower(): number for name, number in pb.BindingKind.items() if number
}
"""Kinds of bindings as files and commands call them: `fingerprint`, `uri`, `dns`, `subject`, `client`."""


class TreeFileError(Exception):
    """The file does not state a tree; `mistakes` are one line each, the place first."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def binding_name(binding: pb.Binding) -> str:
    """A binding as files, records and commands call it: `uri:spiffe://example.vn/mot-cua`."""
    return f"{_name_of(BINDING_KINDS, binding.kind, '')}:{binding.value}"


def to_toml(tree: pb.AccountTree) -> str:
    """The tree as text, the same for the same tree."""
    lines: list[str] = []
    for organisation in sorted(tree.organisations, key=lambda one: one.code):
        path = ["organisation", organisation.code]
        kind = _name_of(ORGANISATION_KINDS, organisation.kind, "other")
        _table(lines, path, {"name": organisation.name, "kind": kind, **_common(organisation)})
    for account in sorted(tree.accounts, key=lambda one: one.name):
        _table(lines, _account_path(account.name), _account(account))
    for officer in sorted(tree.officers, key=lambda one: (one.account, one.officer_id)):
        values = {"label": officer.label} if officer.label else {}
        _table(lines, [*_account_path(officer.account), "officer", officer.officer_id], values | _common(officer))
    for binding in sorted(tree.bindings, key=lambda one: (one.account, one.kind, one.value)):
        values = {"label": binding.label} if binding.label else {}
        path = [*_account_path(binding.account), "binding", binding_name(binding)]
        _table(lines, path, values | _common(binding))
    return "\n".join(lines).lstrip("\n") + "\n"


def from_toml(text: str) -> pb.AccountTree:
    """The tree that a text states. Raises `TreeFileError` with every mistake."""
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TreeFileError([f"not valid TOML: {error}"]) from error
    reading = _Reading()
    tree = pb.AccountTree()
    for code, organisation in reading.tables(reading.only(stated, ("organisation",), ""), "organisation", ""):
        reading.organisation(tree, code, organisation)
    if reading.mistakes:
        raise TreeFileError(reading.mistakes)
    return tree


class _Reading:
    """Takes values out of tables and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def organisation(self, tree: pb.AccountTree, code: str, table: dict[str, Any]) -> None:
        at = f"organisation.{code}"
        names = ("name", "kind", "status", "limits", "account")
        self.only(table, names, at)
        made = tree.organisations.add(code=code, name=self.value(table, "name", str, "", at))
        made.kind = self.choice(table, "kind", ORGANISATION_KINDS, "other", at)
        self.common(table, made, at)
        for name, account in self.tables(table, "account", at):
            self.account(tree, f"{code}/{name}", account, f"{at}.account.{name}")

    def account(self, tree: pb.AccountTree, name: str, table: dict[str, Any], at: str) -> None:
        spans = [f"{span}_seconds" for span in _SPANS]
        other = (
            "status",
            "limits",
            "test",
            "admin_role",
            "not_after",
            "confidential_until",
            "officer",
            "officer_limits",
            "binding",
        )
        self.only(table, (*_LISTS, *_FLAGS, *spans, *other), at)
        made = tree.accounts.add(name=name, test=self.value(table, "test", bool, False, at))
        made.admin_role = self.value(table, "admin_role", str, "", at)
        policy = made.policy
        for one in _LISTS:
            values = self.value(table, one, list, [], at)
            if all(isinstance(value, str) for value in values):
                getattr(policy, one).extend(values)
            else:
                self.mistakes.append(f"{at}.{one}: must be a list of texts")
        for one in _FLAGS:
            setattr(policy, one, self.value(table, one, bool, False, at))
        for one, key in zip(_SPANS, spans, strict=True):
            self.span(table, key, getattr(policy, one), at)
        self.time(table, "confidential_until", policy.confidential_until, at)
        self.limits(table, "officer_limits", policy.officer_limits, at)
        self.common(table, made, at)
        self.time(table, "not_after", made.not_after, at)
        for officer_id, officer in self.tables(table, "officer", at):
            inside = f"{at}.officer.{officer_id}"
            self.only(officer, ("label", "status", "limits", "not_after"), inside)
            label = self.value(officer, "label", str, "", inside)
            registered = tree.officers.add(account=name, officer_id=officer_id, label=label)
            self.common(officer, registered, inside)
            self.time(officer, "not_after", registered.not_after, inside)
        for title, binding in self.tables(table, "binding", at):
            self.binding(tree, name, title, binding, f'{at}.binding."{title}"')

    def binding(self, tree: pb.AccountTree, account: str, title: str, table: dict[str, Any], at: str) -> None:
        self.only(table, ("label", "status", "not_after"), at)
        kind, _, value = title.partition(":")
        if kind not in BINDING_KINDS:
            self.mistakes.append(f"{at}: must begin with one of: {', '.join(f'{one}:' for one in BINDING_KINDS)}")
            return
        label = self.value(table, "label", str, "", at)
        made = tree.bindings.add(account=account, kind=BINDING_KINDS[kind], value=value, label=label)
        made.status = self.choice(table, "status", _STATUSES, "active", at)
        self.time(table, "not_after", made.not_after, at)

    def common(self, table: dict[str, Any], made: Any, at: str) -> None:
        made.status = self.choice(table, "status", _STATUSES, "active", at)
        self.limits(table, "limits", made.limits, at)

    def limits(self, table: dict[str, Any], key: str, into: pb.Limits, at: str) -> None:
        known = pb.Limits.DESCRIPTOR.fields_by_name
        for name, value in self.value(table, key, dict, {}, at).items():
            if name not in known:
                self.mistakes.append(f"{at}.{key}.{name}: unknown")
            elif name in _LIMIT_FLAGS:
                if isinstance(value, bool):
                    setattr(into, name, value)
                else:
                    self.mistakes.append(f"{at}.{key}.{name}: must be true or false")
            elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
                self.mistakes.append(f"{at}.{key}.{name}: must be a whole number")
            else:
                setattr(into, name, value)

    def only(self, table: dict[str, Any], names: Iterable[str], at: str) -> dict[str, Any]:
        for name in table.keys() - set(names):
            self.mistakes.append(f"{at}.{name}: unknown".lstrip("."))
        return table

    def tables(self, table: dict[str, Any], name: str, at: str) -> Iterable[tuple[str, dict[str, Any]]]:
        for key, inner in self.value(table, name, dict, {}, at).items():
            if isinstance(inner, dict):
                yield key, inner
            else:
                self.mistakes.append(f"{at}.{name}.{key}: must be a table".lstrip("."))

    def value(self, table: dict[str, Any], name: str, kind: type, default: Any, at: str) -> Any:
        value = table.get(name, default)
        if isinstance(value, kind):
            return value
        self.mistakes.append(f"{at}.{name}: must be of type {kind.__name__}".lstrip("."))
        return default

    def choice(self, table: dict[str, Any], name: str, values: Mapping[str, Any], default: str, at: str) -> Any:
        value = self.value(table, name, str, default, at)
        if value not in values:
            self.mistakes.append(f"{at}.{name}: must be one of: {', '.join(values)}")
        return values.get(value, values[default])

    def span(self, table: dict[str, Any], name: str, into: Duration, at: str) -> None:
        self._into(table, name, (int, float), lambda value: into.FromTimedelta(timedelta(seconds=value)), at)

    def time(self, table: dict[str, Any], name: str, into: Timestamp, at: str) -> None:
        self._into(table, name, datetime, lambda value: into.FromDatetime(value.astimezone(UTC)), at)

    def _into(self, table: dict[str, Any], name: str, kind: Any, put: Callable[[Any], object], at: str) -> None:
        if name not in table:
            return
        value = table[name]
        if isinstance(value, bool) or not isinstance(value, kind):
            self.mistakes.append(f"{at}.{name}: must be {'a time' if kind is datetime else 'a number'}")
            return
        try:
            put(value)
        except (ValueError, OverflowError):
            self.mistakes.append(f"{at}.{name}: is out of range")


def _account_path(name: str) -> list[str]:
    organisation, _, own = name.partition("/")
    return ["organisation", organisation, "account", own]


def _account(account: pb.Account) -> dict[str, Any]:
    policy: Any = account.policy
    values: dict[str, Any] = {name: list(getattr(policy, name)) for name in _LISTS if getattr(policy, name)}
    values |= {name: True for name in _FLAGS if getattr(policy, name)}
    for name in _SPANS:
        if policy.HasField(name):
            span: timedelta = getattr(policy, name).ToTimedelta()
            values[f"{name}_seconds"] = span.total_seconds() if span.microseconds else span // timedelta(seconds=1)
    if policy.HasField("confidential_until"):
        values["confidential_until"] = policy.confidential_until.ToDatetime(UTC)
    officer_limits = {field.name: value for field, value in policy.officer_limits.ListFields()}
    values |= {"officer_limits": officer_limits} if officer_limits else {}
    values |= {name: value for name, value in (("test", account.test), ("admin_role", account.admin_role)) if value}
    return values | _common(account)


def _common(message: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if message.status == pb.STATUS_SUSPENDED:
        values["status"] = "suspended"
    if not isinstance(message, pb.Organisation) and message.HasField("not_after"):
        values["not_after"] = message.not_after.ToDatetime(UTC)
    if isinstance(message, pb.Binding):
        return values
    limits = {field.name: value for field, value in message.limits.ListFields()}
    return values | ({"limits": limits} if limits else {})


def _name_of(names: Mapping[str, Any], number: int, default: str) -> str:
    return next((name for name, value in names.items() if value == number), default)


def _table(lines: list[str], path: Iterable[str], values: Mapping[str, Any]) -> None:
    lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    lines += [f"{name} = {_value(value)}" for name, value in values.items()]


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _value(text)


def _value(value: Any) -> str:
    match value:
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value.year >= 1000 else value.isoformat()
        case dict():
            return "{ " + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in value.items()) + " }"
        case list():
            return "[" + ", ".join(_value(one) for one in value) + "]"
        case _:
            # A TOML text, number or boolean reads as JSON writes it.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
