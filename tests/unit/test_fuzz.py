"""Whatever arrives is answered or refused with a reason: no defect, no other exception, no citizen's number told back."""

from __future__ import annotations

import base64
import json
from functools import cache, partial
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dancu.account.v1 import account_pb2 as pb
from dancu.citizen.v1 import citizen_service_pb2
from dancu.cli.account_toml import TreeFileError, from_toml, to_toml
from gateway.model import Call
from tests.fakes.accounts import SERVICE, FakeAdministration
from tests.fakes.audit_desk import FakeAudit
from tests.fakes.fuzz import DIGITS, NUMBERS, TEXTS, messages, must_be_told, requests
from tests.fakes.gateway import FakeGateway, lookup_request
from tests.fakes.national_db import AN

FUZZ = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
FEWER = settings(FUZZ, max_examples=8)


def request_of(name: str) -> Descriptor:
    service, _, rpc = name.rpartition("/")
    return Default().FindServiceByName(service).methods_by_name[rpc].input_type


@cache
def methods() -> dict[str, str]:
    """Every method there is, with who serves it."""
    desks: dict[str, Any] = {"public": FakeGateway(), "accounts": FakeAdministration(), "audit": FakeAudit()}
    return {name: desk for desk, made in desks.items() for name in made.methods}


def headers(**stated: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in stated.items()}


async def ask(desk: str, name: str, request: bytes) -> None:
    """Ask as somebody who may, so that what is asked is what decides."""
    if desk == "public":
        gateway = FakeGateway()
        await must_be_told(lambda: gateway.call(request, method=name))
    elif desk == "accounts":
        office = FakeAdministration()
        by = "BCA/administrator" if name.startswith(SERVICE) else "01/quan-tri"
        authorization = headers(authorization=f"Bearer {office.whole(by)}")
        await must_be_told(lambda: office.pipeline(Call(name, request, authorization, "192.0.2.7", None)))
    else:
        audit = FakeAudit()
        service, _, rpc = name.rpartition("/")
        await must_be_told(lambda: audit.send(rpc, request, by="BCA/administrator", service=service))


@pytest.mark.parametrize("name", sorted(methods()))
@FEWER
@given(data=st.data())
async def test_no_request_of_any_method_breaks_it(name: str, data: st.DataObject) -> None:
    """Every method of every port, with requests that are valid, nearly so, and not at all."""
    await ask(methods()[name], name, data.draw(requests(request_of(name))))


@settings(FUZZ, max_examples=200)
@given(request=messages(citizen_service_pb2.LookupCitizenRequest.DESCRIPTOR), digits=DIGITS, legacy=st.booleans())
async def test_no_number_mask_or_claim_breaks_a_lookup(request: Any, digits: str, *, legacy: bool) -> None:
    """Numbers are typed by people and masks written by programs."""
    if legacy:
        request.legacy_number = digits
    else:
        request.personal_number = digits
    gateway = FakeGateway()
    numbers = (digits, *NUMBERS) if len(digits) >= 9 else NUMBERS
    await must_be_told(lambda: gateway.call(request.SerializeToString()), numbers=numbers)
    assert not any(number.encode() in payload for payload in _without_what_callers_state(gateway) for number in NUMBERS)


def _without_what_callers_state(gateway: FakeGateway) -> list[bytes]:
    """The records without officer, dossier and such: those are the caller's words, kept as evidence."""
    records = gateway.records
    for record in records:
        for name in ("officer", "dossier", "procedure", "legal_basis"):
            record.ClearField(name)
    return [record.SerializeToString() for record in records]


@settings(FUZZ, max_examples=120)
@given(paths=st.lists(TEXTS | st.from_regex(r"\A[a-z_]{1,12}(\.[a-z_]{1,12}){0,3}\Z"), max_size=70))
async def test_no_mask_breaks_a_lookup(paths: list[str]) -> None:
    """A mask is compiled: what it is compiled from comes from strangers."""
    gateway = FakeGateway()
    request = lookup_request(AN.personal_number, mask=tuple(paths))
    await must_be_told(lambda: gateway.call(request.SerializeToString()))


_KEYS = st.sampled_from(
    [f"Bearer dck_testkey_{'A' * 43}", f"Bearer dck_testkey_{'B' * 43}", "Bearer dck__", "bearer", ""]
)
_TRACES = st.sampled_from(
    [f"00-{'0' * 32}-{'0' * 16}-00", f"00-{'a' * 32}-{'b' * 16}-01", f"ff-{'g' * 32}-{'b' * 16}-01"]
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "authorization": _KEYS | TEXTS | st.builds(lambda text: f"Bearer dck_testkey_{text}", TEXTS),
        "x_request_id": TEXTS | DIGITS,
        "traceparent": _TRACES | TEXTS,
        "grpc_timeout": TEXTS,
    },
)


@settings(FUZZ, max_examples=200)
@given(stated=_HEADERS, peer=st.sampled_from(["", "192.0.2.7", "2001:db8::1", "::1"]))
async def test_no_header_breaks_a_call(stated: dict[str, str], peer: str) -> None:
    """Headers come from strangers, before anybody is known."""
    gateway = FakeGateway()
    request = lookup_request(AN.personal_number).SerializeToString()
    given_headers = {"authorization": f"Bearer dck_testkey_{'A' * 43}"} | headers(**stated)
    name = "dancu.citizen.v1.CitizenService/LookupCitizen"
    await must_be_told(lambda: gateway.pipeline(Call(name, request, given_headers, peer, None)))


def _token(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
_TOKENS = st.one_of(
    TEXTS,
    st.text("ABCxyz019+/=-_", max_size=60),
    _JSON.map(_token),
    st.sampled_from(
        [_token(["01/a"]), _token(["01/a", "x"]), "[" * 4000, base64.urlsafe_b64encode(b"[" * 5000).decode()]
    ),
)


@settings(FUZZ, max_examples=100)
@given(token=_TOKENS, size=st.integers(-1, 600))
async def test_no_page_token_breaks_a_list(token: str, size: int) -> None:
    """A token is a text that a caller can write himself."""
    office, audit = FakeAdministration(), FakeAudit()
    authorization = headers(authorization=f"Bearer {office.whole('BCA/viewer')}")
    for rpc in ("ListAccounts", "ListOfficers", "ListRequests"):
        name = f"{SERVICE}/{rpc}"
        call = Call(name, _request(name, page_token=token, page_size=size), authorization, "", None)
        await must_be_told(partial(office.pipeline, call))
    request = _request("dancu.audit.v1.AuditService/ListAuditRecords", page_token=token, page_size=size)
    await must_be_told(lambda: audit.send("ListAuditRecords", request))


def _request(name: str, **fields: Any) -> bytes:
    return GetMessageClass(request_of(name))(**fields).SerializeToString()


_TREES = messages(pb.AccountTree.DESCRIPTOR)


@FUZZ
@given(tree=_TREES)
async def test_no_tree_breaks_what_applies_it(tree: Any) -> None:
    """A tree is the largest thing that an operator sends, and the one most likely written by a program."""
    office = FakeAdministration()
    authorization = headers(authorization=f"Bearer {office.whole('BCA/administrator')}")
    name = f"{SERVICE}/ApplyTree"
    request = _request(name, tree=tree)
    await must_be_told(lambda: office.pipeline(Call(name, request, authorization, "", None)))


_TOML_VALUES = st.recursive(
    st.sampled_from(
        ["true", "1", "-1", "0.5", "nan", "inf", "1e300", '"x"', '"*"', "2027-12-31T17:00:00Z", "0001-01-01", "07:32:00",
         "9999-12-31T23:59:59.999999-12:00", "99999999999999999999", '"\\u0000"', "2027-12-31T17:00:00"]
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda held: "[" + ", ".join(held) + "]"),
    max_leaves=4,
)  # fmt: skip
_TOML_NAMES = st.sampled_from(
    ["name", "kind", "status", "limits", "methods", "fields", "networks", "officer_required", "shadow", "not_after",
     "confidential_until", "staleness_ceiling_seconds", "stale_if_error_seconds", "officer_limits", "officer", "account",
     "admin_role", "test", "colour", "limits.rate", "limits.misses_per_hour", "limits.misses_unlimited", '"097090000001"']
)  # fmt: skip
_TOML_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["[organisation.01]", "[organisation.01.account.a]", "[organisation.01.account.a.officer.b]", "[x]"]
        ),
        st.builds(lambda name, value: f"{name} = {value}", _TOML_NAMES, _TOML_VALUES),
        st.text(st.sampled_from("[]{}=\"\n.,#a1-:'"), max_size=12),
    ),
    max_size=8,
)


@settings(FUZZ, max_examples=250)
@given(lines=_TOML_LINES)
def test_no_file_breaks_the_reader_of_trees(lines: list[str]) -> None:
    """A file that is wrong is told so, never with a traceback; one that is right reads back from what is exported."""
    tree, told = None, [""]
    try:
        tree = from_toml("\n".join(lines))
    except TreeFileError as wrong:
        told = wrong.mistakes
    assert told
    assert all("\n" not in mistake for mistake in told)
    assert tree is None or from_toml(to_toml(tree)) == tree
