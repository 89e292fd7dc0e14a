"""Which rule of a policy decides, as tables; and that explanation and decision are one."""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.explain import explain
from gateway.accounts.model import Account, AccountStatus, LimitNode, Limits, Officer, Policy
from gateway.accounts.rules import compiled, deciding_field_rule, deciding_rule, grants, may_ask_as
from gateway.calls.authorise import authorise
from gateway.citizens.fields import citizen_selection, first_path_not_granted
from gateway.errors import PermissionDeniedError

NOW = 1_790_000_000.0


def account(policy: Policy, **officers: Officer) -> Account:
    nodes = (LimitNode("account:01/x", "01", Limits()),)
    return Account("01/x", "01", AccountStatus.ACTIVE, compiled(policy), nodes, officers=officers)


@pytest.mark.parametrize(
    ("rules", "value", "rule"),
    [
        ({"*"}, "citizen.lookup", "*"),
        ({"*", "citizen.*"}, "citizen.lookup", "citizen.*"),
        ({"citizen.*", "!citizen.bulk"}, "citizen.bulk", "!citizen.bulk"),
        ({"!citizen.*", "citizen.lookup"}, "citizen.lookup", "citizen.lookup"),
        ({"1.*", "!1.*"}, "1.2", "!1.*"),
        ({"1.00*", "!1.0*"}, "1.004", "1.00*"),
        ({"citizen.lookup"}, "citizen.lookups", None),
        (set(), "citizen.lookup", None),
    ],
)
def test_the_most_specific_rule_decides(rules: set[str], value: str, rule: str | None) -> None:
    """Two people who read a policy must come to the same answer."""
    assert deciding_rule(frozenset(rules), value) == rule


@pytest.mark.parametrize(
    ("rules", "path", "rule"),
    [
        ({"*", "!permanent_residence.detail"}, "permanent_residence.detail", "!permanent_residence.detail"),
        ({"!permanent_residence", "permanent_residence.province_code"}, "permanent_residence.detail", "!permanent_residence"),
        ({"sex", "!*"}, "sex", "sex"),
        ({"sex"}, "full_name", None),
    ],
)  # fmt: skip
def test_the_nearest_rule_decides_on_a_field(rules: set[str], path: str, rule: str | None) -> None:
    """A path stands for the field and all below it."""
    assert deciding_field_rule(rules, path) == rule


def test_a_forbidden_field_is_in_no_answer_however_it_is_asked_for() -> None:
    """OWASP API3:2023, property level authorisation: neither alone, nor within its parent, nor by asking for all."""
    policy = compiled(policy_of(fields={"*", "!permanent_residence.detail", "!religion_code"}))
    whole = citizen_pb2.Citizen(full_name="A", religion_code="01")
    whole.permanent_residence.detail = "số 1"
    whole.permanent_residence.province_code = "01"
    told = citizen_selection(policy.fields, ()).narrow(whole)
    assert (told.full_name, told.religion_code, told.permanent_residence.detail) == ("A", "", "")
    assert told.permanent_residence.province_code == "01"
    for path in ("religion_code", "permanent_residence", "permanent_residence.detail"):
        assert first_path_not_granted(policy.fields, [path]) == path


def policy_of(**changes: Any) -> Policy:
    values: dict[str, Any] = {name: frozenset({"*"}) for name in ("methods", "fields", "procedures")}
    return Policy(version=1, **(values | {name: _frozen(value) for name, value in changes.items()}))


def _frozen(value: Any) -> Any:
    return frozenset(value) if isinstance(value, set) else value


@pytest.mark.parametrize(
    ("officer_id", "required", "may"),
    [
        ("cb-1", True, True),
        ("cb-2", True, False),  # suspended
        ("cb-3", True, False),  # ended
        ("cb-9", True, False),  # unknown
        ("", True, False),
        ("cb-9", False, True),
        ("", False, True),
        ("cb-2", False, False),
    ],
)
def test_an_officer_asks_only_while_known_and_in_use(officer_id: str, required: bool, may: bool) -> None:  # noqa: FBT001
    """Decree 70/2024 art. 10: the agency answers for its people, so it must be able to take one out."""
    officers = {
        "cb-1": Officer("cb-1", AccountStatus.ACTIVE),
        "cb-2": Officer("cb-2", AccountStatus.SUSPENDED),
        "cb-3": Officer("cb-3", AccountStatus.ACTIVE, not_after=NOW - 1),
    }
    asking = account(policy_of(officer_required=required), **officers)
    assert may_ask_as(asking, officer_id, now=NOW) is may


SCOPES = ["citizen.lookup", "citizen.bulk", "registry.licences"]
METHODS = st.sets(st.sampled_from(["*", "citizen.*", "!citizen.bulk", "citizen.bulk", "!*", "registry.licences"]))
FIELDS = st.sets(
    st.sampled_from(
        ["*", "!*", "sex", "!sex", "permanent_residence", "!permanent_residence", "!permanent_residence.detail"]
    )
)
PATHS = ["sex", "full_name", "permanent_residence", "permanent_residence.detail"]


@given(
    methods=METHODS,
    fields=FIELDS,
    procedures=st.sets(st.sampled_from(["*", "1.*", "!1.9*", "1.95"])),
    network=st.sampled_from([(), (ip_network("192.0.2.0/24"),)]),
    required=st.booleans(),
    scope=st.sampled_from(SCOPES),
    asked=st.lists(st.sampled_from(PATHS), max_size=3),
    procedure=st.sampled_from(["1.1", "1.95", "2.0"]),
    officer=st.sampled_from(["", "cb-17"]),
    peer=st.sampled_from(["192.0.2.7", "198.51.100.1"]),
)
def test_what_is_explained_is_what_is_decided(**case: Any) -> None:
    """An explanation that drifts from the decision is worse than none."""
    policy = policy_of(
        methods=case["methods"],
        fields=case["fields"],
        procedures=case["procedures"],
        networks=case["network"],
        officer_required=case["required"],
    )
    asking = account(policy)
    purpose = common_pb2.Purpose(procedure_code=case["procedure"], officer_id=case["officer"])
    question: Any = SimpleNamespace(purpose=purpose, fields=tuple(case["asked"]), tells=())
    method: Any = SimpleNamespace(scope=case["scope"], admin_roles=frozenset())
    try:
        authorise(asking, method, question, peer=case["peer"], now=NOW)
        decided = None
    except PermissionDeniedError as refusal:
        decided = refusal.reason
    verdicts = explain(
        asking,
        case["scope"],
        fields=case["asked"],
        procedure=case["procedure"],
        officer_id=case["officer"],
        peer=case["peer"],
        now=NOW,
    )
    assert next((one.reason for one in verdicts if one.reason is not None), None) == decided


@given(rules=FIELDS, path=st.sampled_from(PATHS))
def test_compiled_fields_grant_no_more_than_the_rules(rules: set[str], path: str) -> None:
    """Everything downstream asks the compiled fields, so they must not widen what was written."""
    policy = compiled(policy_of(fields=rules))
    if first_path_not_granted(policy.fields, [path]) is None:
        assert grants(deciding_field_rule(rules, path))
    assert not any(one.startswith("!") for one in policy.fields)
