"""What is wrong with an entry that somebody wants to write. Pure; all violations at once, none repeats a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from ipaddress import ip_network

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dancu.account.v1 import account_pb2 as pb
from gateway.accounts.model import EVERYTHING, BindingKind
from gateway.accounts.rules import FORBIDS, fits
from gateway.accounts.wire import BINDING_KINDS
from gateway.calls.validation import MAX_STALENESS, check_text
from gateway.errors import Violation
from gateway.registries.rights import is_field

ADMIN_ROLES = ("viewer", "operator", "administrator")
MAX_RULES = 256
_CODE = re.compile(r"[A-Za-z0-9-]{1,32}")
_LOCAL_NAME = re.compile(r"[a-z0-9_.-]{1,60}")
_OFFICER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SCOPE_RULE = re.compile(r"!?([a-z_]+(\.[a-z_]+)*(\.?\*)?|\*)")
_PROCEDURE_RULE = re.compile(r"!?([A-Za-z0-9._-]{1,32}\*?|\*)")
_FIELD_RULE = re.compile(r"!?([a-z0-9_]+(\.[a-z0-9_]+)*|\*)")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,400}")
_DNS = re.compile(r"(?=.{1,253}$)(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_SUBJECT = re.compile(r"[\x21-\x7e]{1,400}")
# A record names the binding, and no record holds a citizen number in clear.
_CITIZEN_NUMBER = re.compile(r"(?<![0-9A-Za-z])([0-9]{9}|[0-9]{12})(?![0-9A-Za-z])")
_BINDING_KINDS = {number: kind for kind, number in BINDING_KINDS.items()}
_BINDING_VALUES = {
    BindingKind.FINGERPRINT: (_FINGERPRINT, "64 hexadecimal digits in lower case", "64 chữ số thập lục phân thường"),
    BindingKind.URI: (_URI, "a URI of at most 400 characters", "một URI, tối đa 400 ký tự"),
    BindingKind.DNS: (_DNS, "a DNS name in lower case", "một tên DNS viết thường"),
    BindingKind.SUBJECT: (_SUBJECT, "1 to 400 printable ASCII characters", "1 đến 400 ký tự ASCII in được"),
    BindingKind.CLIENT: (_SUBJECT, "1 to 400 printable ASCII characters", "1 đến 400 ký tự ASCII in được"),
}
_END_OF_TIME = 253_402_300_799  # 9999-12-31, the last second of a Timestamp
_LARGEST_LIMIT = 1_000_000_000


def check_organisation(message: pb.Organisation, *, at: str = "organisation") -> list[Violation]:
    """What is wrong with an organisation."""
    found = [] if _CODE.fullmatch(message.code) else [_charset(f"{at}.code", 'letters, digits and "-"', 32)]
    if not message.name.strip():
        found.append(_required(f"{at}.name"))
    return [*found, *check_text(message.name, field=f"{at}.name", longest=200), *check_limits(message.limits, at=at)]


def check_account(message: pb.Account, *, scopes: Collection[str], at: str = "account") -> list[Violation]:
    """What is wrong with an account; `scopes`: all there are on the public port."""
    organisation, slash, name = message.name.partition("/")
    found = []
    if not (slash and _CODE.fullmatch(organisation)) or check_local_name(name, at=at):
        found.append(
            Violation(
                f"{at}.name",
                'must be "<organisation code>/<name>", the name of a-z, 0-9, "-", "_" and ".", at most 60 characters',
                'phải có dạng "<mã cơ quan>/<tên>", tên gồm a-z, 0-9, "-", "_" và ".", tối đa 60 ký tự',
            )
        )
    if message.admin_role and message.admin_role not in ADMIN_ROLES:
        roles = ", ".join(ADMIN_ROLES)
        found.append(Violation(f"{at}.admin_role", f"must be one of: {roles}", f"phải là một trong: {roles}"))
    if message.HasField("not_after"):
        found += _check_time(message.not_after, at=f"{at}.not_after")
    return [
        *found,
        *check_policy(message.policy, scopes=scopes, at=f"{at}.policy"),
        *check_limits(message.limits, at=at),
    ]


def check_officer(message: pb.Officer, *, at: str = "officer") -> list[Violation]:
    """What is wrong with an officer."""
    found = [] if message.account else [_required(f"{at}.account")]
    if not _OFFICER.fullmatch(message.officer_id):
        found.append(_charset(f"{at}.officer_id", 'letters, digits, ".", "-", "_" and "@"', 64))
    if message.HasField("not_after"):
        found += _check_time(message.not_after, at=f"{at}.not_after")
    return [*found, *check_text(message.label, field=f"{at}.label", longest=200), *check_limits(message.limits, at=at)]


def check_binding(message: pb.Binding, *, at: str = "binding") -> list[Violation]:
    """What is wrong with a binding."""
    found = [] if message.account else [_required(f"{at}.account")]
    found += check_binding_name(message.kind, message.value, at=at)
    if message.HasField("not_after"):
        found += _check_time(message.not_after, at=f"{at}.not_after")
    return [*found, *check_text(message.label, field=f"{at}.label", longest=200)]


def check_binding_name(kind: pb.BindingKind.ValueType, value: str, *, at: str) -> list[Violation]:
    """What is wrong with that which names a binding."""
    known = _BINDING_KINDS.get(kind)
    field = f"{at}.value".lstrip(".")
    if known is None:
        return [_required(f"{at}.kind".lstrip("."))]
    pattern, en, vi = _BINDING_VALUES[known]
    if not pattern.fullmatch(value):
        return [Violation(field, f"must be {en}", f"phải là {vi}")]
    if known is not BindingKind.FINGERPRINT and _CITIZEN_NUMBER.search(value):
        return [Violation(field, "looks like a citizen's number", "giống số định danh của công dân")]
    return []


def check_local_name(name: str, *, at: str) -> list[Violation]:
    """What is wrong with the name of an account within its organisation."""
    return [] if _LOCAL_NAME.fullmatch(name) else [_charset(f"{at}", 'a-z, 0-9, "-", "_" and "."', 60)]


def check_policy(message: pb.Policy, *, scopes: Collection[str], at: str) -> list[Violation]:
    """What is wrong with a policy; `scopes`: all there are on the public port."""
    found = [
        *_check_rules(message.methods, lambda rule: _is_scope_rule(rule, scopes), at=f"{at}.methods"),
        *_check_rules(message.fields, _is_field_rule, at=f"{at}.fields"),
        *_check_rules(message.procedures, lambda rule: bool(_PROCEDURE_RULE.fullmatch(rule)), at=f"{at}.procedures"),
        *_check_rules(message.networks, _is_network, at=f"{at}.networks"),
        *_check_span(message.staleness_ceiling, at=f"{at}.staleness_ceiling"),
        *_check_span(message.stale_if_error, at=f"{at}.stale_if_error"),
    ]
    found += check_limits(message.officer_limits, at=at, name="officer_limits")
    if message.HasField("confidential_until"):
        found += _check_time(message.confidential_until, at=f"{at}.confidential_until")
    return found


def check_limits(message: pb.Limits, *, at: str, name: str = "limits") -> list[Violation]:
    """What is wrong with limits."""
    found = [
        Violation(f"{at}.{name}.{field.name}", f"must be 1 to {_LARGEST_LIMIT}", f"phải từ 1 đến {_LARGEST_LIMIT}")
        for field, value in message.ListFields()
        if not isinstance(value, bool) and not 1 <= value <= _LARGEST_LIMIT
    ]
    if message.HasField("burst") and not message.HasField("rate"):
        found.append(Violation(f"{at}.{name}.burst", "needs a rate", "phải đi kèm rate"))
    if message.misses_unlimited and message.HasField("misses_per_hour"):
        found.append(
            Violation(f"{at}.{name}.misses_unlimited", "excludes misses_per_hour", "không đi cùng misses_per_hour")
        )
    return found


def check_reason(text: str, *, field: str, longest: int, required: bool = True) -> list[Violation]:
    """What is wrong with a reason given by a person."""
    if required and not text.strip():
        return [_required(field)]
    return check_text(text, field=field, longest=longest)


def _check_rules(rules: Sequence[str], is_rule: Callable[[str], bool], *, at: str) -> list[Violation]:
    if len(rules) > MAX_RULES:
        return [Violation(at, f"has more than {MAX_RULES} entries", f"có quá {MAX_RULES} mục")]
    return [
        Violation(f"{at}[{position}]", "is not valid here", "không hợp lệ ở đây")
        for position, rule in enumerate(rules)
        if not is_rule(rule)
    ]


def _is_scope_rule(rule: str, scopes: Collection[str]) -> bool:
    # As with fields: a rule that speaks of nothing is a typing error that must not go unnoticed.
    return bool(_SCOPE_RULE.fullmatch(rule)) and any(fits(rule, scope) for scope in scopes)


def _is_field_rule(rule: str) -> bool:
    if not _FIELD_RULE.fullmatch(rule):
        return False
    path = rule.removeprefix(FORBIDS)
    # A mistyped grant would grant nothing, a mistyped prohibition would forbid nothing: neither may go unnoticed.
    return path == EVERYTHING or is_field(path)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return "%" not in text


def _check_span(span: Duration, *, at: str) -> list[Violation]:
    longest = int(MAX_STALENESS / timedelta(seconds=1))
    if span.nanos >= 0 and 0 <= span.seconds <= longest - (span.nanos > 0):
        return []
    return [Violation(at, "must be from 0 to 30 days", "phải từ 0 đến 30 ngày")]


def _check_time(time: Timestamp, *, at: str) -> list[Violation]:
    if 0 < time.seconds <= _END_OF_TIME and time.nanos == 0:
        return []
    return [Violation(at, "must be a whole second after 1970", "phải là giây tròn sau năm 1970")]


def _required(field: str) -> Violation:
    return Violation(field, "is required", "là bắt buộc")


def _charset(field: str, signs: str, longest: int) -> Violation:
    return Violation(
        field, f"must be 1 to {longest} characters of {signs}", f"phải gồm 1 đến {longest} ký tự trong: {signs}"
    )
