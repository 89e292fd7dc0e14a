"""OWASP API Security Top 10 (2023) on fakes: ways in, abuse, configuration. `docs/security-tests.md` lists all."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import Default

from dancu.account.v1 import account_pb2
from gateway.accounts.keys import KeyMaker
from gateway.accounts.model import Account, AccountStatus, ApiKey, Limits
from gateway.accounts.ports import FirstAnswer
from gateway.audit.tokens import Tokens
from gateway.calls.inquiry import Answer, Inquiry, Question
from gateway.citizens.numbers import personal
from gateway.errors import GatewayError, Reason
from gateway.model import Call, CitizenRecord, Reply, Secret, VersionedSecret
from gateway.settings import DatabaseSettings, RedisSettings, Settings
from tests.fakes.accounts import FakeAdministration
from tests.fakes.audit_desk import FakeAudit
from tests.fakes.gateway import FULL, LOOKUP, SECRET, FakeGateway, lookup_request, policy, refused
from tests.fakes.national_db import AN, BINH, NOBODY

ROOT = Path(__file__).resolve().parents[2]
POLICY = account_pb2.Policy(methods=["citizen.lookup"], fields=["full_name"], procedures=["1.*"])


# API2:2023 Broken authentication


def _secret_work(call: Any) -> list[str]:
    """The C functions on secrets that a call runs, in order."""
    seen = []

    def profile(_frame: Any, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in {"update", "digest", "_compare_digest", "compare_digest"}:
            seen.append(function.__name__)

    sys.setprofile(profile)
    try:
        with pytest.raises(GatewayError):
            call.send(None)
    finally:
        sys.setprofile(None)
    return seen


def test_api2_an_unknown_key_and_a_wrong_secret_cost_the_same_work() -> None:
    """API2: whoever can time the difference can find out which keys exist."""
    gateway = FakeGateway()
    call = gateway.pipeline._decide  # the way of a call, without its log and record

    def of(key: str) -> list[str]:
        metadata = {"authorization": f"Bearer dck_{key}_{'B' * 43}"}
        identified = Inquiry(Call(LOOKUP, b"", metadata, "", None), gateway.methods[LOOKUP], "r", b"", 0.0, 0.0)
        return _secret_work(call(identified))

    known, unknown = of("testkey"), of("nobody99")
    assert known == unknown
    assert [name.lstrip("_") for name in known] == [*("update", "digest") * 2, "compare_digest"]


def test_api2_hashes_of_secrets_are_compared_in_constant_time_only() -> None:
    """API2: `==` on a hash leaks how much of it was right."""
    found = 0
    for folder in ("gateway", "adapters"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Compare):
                    compared = [ast.unparse(one) for one in (node.left, *node.comparators)]
                    assert not any("secret_hash" in one or "._tag(" in one for one in compared), (path, node.lineno)
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest":
                    found += 1
    assert found >= 2


async def test_api2_no_part_of_a_header_but_a_whole_key_opens_anything() -> None:
    """API2: what is nearly a key is no key."""
    gateway = FakeGateway()
    key = f"dck_testkey_{SECRET}"
    for header in (key, f"bearer{key}", f"Bearer {key} ", f"Bearer {key}\n", f"Bearer {key}{key}", f"Basic {key}",
                   f"Bearer {key[:-1]}", f"Bearer {key}A", f"Bearer {key.upper()}", f"Bearer  dck_TESTKEY_{SECRET}"):  # fmt: skip
        with pytest.raises(GatewayError) as refusal:
            await gateway.call(lookup_request(AN.personal_number).SerializeToString(), authorization=header)
        assert refusal.value.kind == "UNAUTHENTICATED"
    assert gateway.national_db.asked == []


# API4:2023 Unrestricted resource consumption


@pytest.mark.parametrize("size", [-1, 501, 2**31 - 1])
async def test_api4_pages_and_masks_and_rules_are_bounded(size: int) -> None:
    """API4: a request of a few bytes must not ask for a table, nor a megabyte be walked for each citizen."""
    office, desk = FakeAdministration(), FakeAudit()
    for rpc in ("ListAccounts", "ListKeys", "ListOfficers", "ListOrganisations", "ListRequests"):
        with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
            await office.ask(rpc, page_size=size)
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await desk.ask("ListAuditRecords", page_size=size if size < 0 else 2**31 - 1)
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await FakeGateway().lookup(AN.personal_number, mask=("full_name",) * 65)
    many = account_pb2.Account(name="01/a", policy=account_pb2.Policy(fields=["full_name"] * 257))
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await office.ask("CreateAccount", account=many)


async def test_api4_every_kind_of_limit_refuses_before_anything_is_fetched() -> None:
    """API4: what a limit refuses must cost the national database nothing."""
    for limits, reason in (
        (Limits(rate=1, burst=1), Reason.RATE_LIMITED),
        (Limits(daily=1), Reason.DAILY_QUOTA_EXHAUSTED),
    ):
        gateway = FakeGateway(limits=limits)
        await gateway.lookup(AN.personal_number)
        asked = len(gateway.national_db.asked)
        with refused("RESOURCE_EXHAUSTED", reason) as refusal:
            await gateway.lookup(BINH.personal_number)
        assert refusal[0].retry_after_seconds
        assert len(gateway.national_db.asked) == asked


# API6:2023 Unrestricted access to sensitive business flows


async def test_api6_a_guesser_learns_no_more_than_the_budget_and_is_on_record() -> None:
    """API6: looking people up is the flow; trying numbers until one fits is its abuse."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=20))
    told: list[Reason] = []
    for number in range(40):
        try:
            await gateway.lookup(f"0970900{number:05d}")
        except GatewayError as refusal:
            told.append(refusal.reason)
    # The one whom the guesser happens to find costs nothing of the budget.
    assert told.count(Reason.CITIZEN_NOT_FOUND) == 20
    assert told[20:] == [Reason.ENUMERATION_SUSPECTED] * (len(told) - 20)
    assert len(gateway.national_db.asked) <= 21
    gateway.recorder.flush()
    assert sum(one.count or 1 for one in gateway.records) == 40


# API7:2023 Server side request forgery


def test_api7_no_request_carries_an_address_for_the_gateway_to_call() -> None:
    """API7: what callers cannot name, the gateway cannot be made to fetch."""
    suspicious = ("url", "uri", "endpoint", "callback", "webhook", "host", "redirect")
    seen = 0
    for proto in sorted((ROOT / "proto").glob("dancu/**/*.proto")):
        relative = proto.relative_to(ROOT / "proto")
        importlib.import_module(str(relative.with_suffix("")).replace("/", ".") + "_pb2")
        for message in Default().FindFileByName(str(relative)).message_types_by_name.values():
            for field in message.fields:
                seen += 1
                if field.type == FieldDescriptor.TYPE_STRING:
                    words = field.name.split("_")
                    assert not set(words) & set(suspicious), f"{message.full_name}.{field.name}"
    assert seen > 150


# API8:2023 Security misconfiguration


def test_api8_the_defaults_are_those_of_production() -> None:
    """API8: whoever sets nothing must not be open."""
    settings = Settings()
    assert not settings.grpc.reflection
    assert not settings.numbers.allow_test
    assert {settings.grpc.host, settings.admin.host, settings.http.host, settings.mock.host} == {"127.0.0.1"}
    assert settings.admission.default_misses_per_hour > 0
    assert settings.log.level == "info"


def _whole_of(value: Any) -> str:
    return f"{value!r} {value} {[value]!r}"


def test_api8_nothing_that_holds_a_secret_or_a_person_shows_it() -> None:
    """API8: one careless log line with an object in it must not publish a key, a number or a name."""
    hidden = b"hush-hush-hush-hush-hush-hush-32"
    secret = Secret(hidden)
    entry, whole = KeyMaker(secret).make("01/a", now=0)
    account = Account("01/a", "01", AccountStatus.ACTIVE, FULL, ())
    request = lookup_request(AN.personal_number)
    call = Call(LOOKUP, request.SerializeToString(), {"authorization": f"Bearer {whole}"}, "", None)
    method = FakeGateway().methods[LOOKUP]
    things: list[Any] = [
        secret,
        VersionedSecret(1, secret),
        Tokens(VersionedSecret(1, secret)),
        KeyMaker(secret),
        entry,
        ApiKey(entry.key_id, entry.secret_hash, account),
        FirstAnswer(b"d", AN.SerializeToString(), whole.encode()),
        call,
        Reply(AN.SerializeToString(), ()),
        Question(request, (personal(AN.personal_number),), (), None, ""),
        Answer(AN, ()),
        Inquiry(call, method, "r", b"", 0.0, 0.0, question=Question(request, (), (), None, "")),
        CitizenRecord(personal(AN.personal_number), AN, 1, 0.0, 0.0),
        personal(AN.personal_number),
        Settings(
            database=DatabaseSettings(url=f"postgresql://u:{hidden.decode()}@db/x"),
            redis=RedisSettings(url=f"redis://:{hidden.decode()}@r"),
        ),
    ]
    traces = [
        hidden.decode(),
        hidden.hex(),
        whole,
        whole.rpartition("_")[2],
        repr(entry.secret_hash),
        AN.personal_number,
    ]
    traces += [AN.full_name, AN.legacy_number]
    for thing in things:
        for trace in traces:
            assert trace not in _whole_of(thing), type(thing).__name__


# API9:2023 Improper inventory management


async def test_api9_what_is_not_declared_is_not_served_whatever_it_is_called() -> None:
    """API9: no older version, no forgotten method, no look-alike path."""
    gateway = FakeGateway()
    for name in ("dancu.citizen.v0.CitizenService/LookupCitizen", "dancu.citizen.v1.CitizenService/lookupcitizen",
                 f"/{LOOKUP}", f"{LOOKUP}/", f"{LOOKUP}\x00", "", "dancu.account.v1.AccountService/CreateAccount"):  # fmt: skip
        with refused("UNIMPLEMENTED", Reason.METHOD_UNKNOWN):
            await gateway.call(b"", method=name)
    assert gateway.journal.payloads == []


# API10:2023 Unsafe consumption of APIs


async def test_api10_what_the_national_database_sends_is_bounded_by_what_was_asked() -> None:
    """API10: fields nobody asked for stay in the gateway, however many the upstream sends."""
    gateway = FakeGateway(policy=policy(fields=frozenset({"sex"})))
    told = (await gateway.lookup(AN.personal_number)).citizen
    assert [field.name for field, _ in told.ListFields()] == ["sex"]
    assert NOBODY not in str(told)
