"""The adapter of the registries against the real mock on a real socket, with faults switched on for one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.clock import SystemClock
from adapters.national_db_wire import WireError
from adapters.registries import reader_of
from adapters.registry_http import HttpRegistry
from dancu.client import message_to_json
from gateway.citizens.numbers import personal
from gateway.model import Secret
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.registries.model import EnterpriseCode
from gateway.registries.ports import RegistryUnavailableError
from mock_national_db import sample
from mock_national_db.server import create_app

TOKEN = "token-of-the-tests"
POPULATION = 4000
PEOPLE = [person.personal_number for person in sample(200, population=POPULATION)]
ABSENT = "099199000000"
KINDS = {kind.name: kind for kind in REGISTRIES}


class Upstream:
    """The running mock with an adapter on each registry."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outcomes: list[tuple[str, str]] = []
        self.registries = {kind.name: self.open(kind, TOKEN) for kind in REGISTRIES}

    def open(self, kind: RegistryKind, token: str) -> HttpRegistry:
        return HttpRegistry.open(
            kind=kind,
            reader=reader_of(kind),
            base_url=self.url,
            token=Secret(token.encode()),
            clock=SystemClock(),
            observer=self,
        )

    def upstream_finished(self, *, registry: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append((registry, outcome))

    async def faults(self, **faults: object) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.url}/control/faults", json=faults) as answer,
        ):
            assert answer.status == 200

    async def find(self, name: str, number: str, timeout_seconds: float = 5) -> Any:
        subject = EnterpriseCode(number) if len(number) == 10 else personal(number)
        return await self.registries[name].find(subject, timeout_seconds=timeout_seconds)

    async def holders(self, name: str) -> list[Any]:
        found = [await self.find(name, number) for number in PEOPLE]
        return [record.record for record in found if record.record is not None]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    runner = web.AppRunner(create_app(token=TOKEN, population=POPULATION), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made = Upstream(f"http://{host}:{port}")
    yield made
    await made.faults()
    for registry in made.registries.values():
        await registry.close()
    await runner.cleanup()


@pytest.mark.parametrize("name", KINDS)
async def test_records_arrive_with_every_field_of_the_contract_filled_by_somebody(
    name: str, upstream: Upstream
) -> None:
    """A field that no record ever fills is a field the adapter lost."""
    records = await upstream.holders(name)
    filled: set[str] = set()
    for record in records:
        filled |= set(_paths(message_to_json(record)))
        assert record.HasField("updated_at")
        assert record.personal_number in PEOPLE
    wanted = set(_fields(KINDS[name].descriptor))
    assert wanted - filled <= _NEVER.get(name, set()) | _RARE.get(name, set())
    assert {outcome for _, outcome in upstream.outcomes} <= {"found", "not_found"}


# Detailed addresses are not told by these registries; what is rare may be missing among two hundred people.
_NEVER = {
    "civil_status": {"birth.registered_at.detail", "marriages.registered_at.detail", "death.registered_at.detail"},
    "driving_licences": {"licences.issued_in.detail", "licences.issued_in.commune_name"},
    "enterprises": {"entries.head_office.detail"},
    "digital_identity": {"issued_in.detail", "issued_in.commune_name"},
}
_RARE = {"civil_status": {"marriages.judgment_number"}}


async def test_an_enterprise_is_found_by_its_code(upstream: Upstream) -> None:
    """The other number of the contract."""
    by_person = (await upstream.holders("enterprises"))[0]
    code = by_person.entries[0].enterprise_code
    by_code = await upstream.find("enterprises", code)
    assert by_code.record.entries[0] == by_person.entries[0]
    assert by_code.record.personal_number == ""
    assert (await upstream.find("enterprises", "9999999999")).record is None


async def test_nobody_is_an_answer(upstream: Upstream) -> None:
    """Nothing under a number is no failure, or the breaker would open on it."""
    for name in KINDS:
        found = await upstream.find(name, ABSENT)
        assert (found.record, found.version, found.registry) == (None, 0, name)


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ({"outage": True}, "broken"),
        ({"error_rate": 1.0}, "broken"),
        ({"reset_rate": 1.0}, "refused"),
        ({"truncate_rate": 1.0}, "refused"),
        ({"hang_rate": 1.0}, "timeout"),
        ({"invalid_json_rate": 1.0}, "broken"),
        ({"oversize_rate": 1.0, "oversize_bytes": 4_000_000}, "broken"),
        ({"wrong_citizen_rate": 1.0}, "broken"),
    ],
)
async def test_no_fault_becomes_an_answer(faults: dict[str, object], outcome: str, upstream: Upstream) -> None:
    """Above all not another person's record."""
    await upstream.faults(endpoints=["registries.civil_status"], **faults)
    with pytest.raises(RegistryUnavailableError) as error:
        await upstream.find("civil_status", PEOPLE[0], timeout_seconds=0.3)
    assert not any(number in str(error.value) for number in PEOPLE)
    assert upstream.outcomes[-1] == ("civil_status", outcome)
    await upstream.find("digital_identity", PEOPLE[0])


async def test_a_wrong_token_is_no_answer(upstream: Upstream) -> None:
    """Misconfigured is unavailable, and the log says why."""
    stranger = upstream.open(KINDS["civil_status"], "somebody-elses-token")
    with pytest.raises(RegistryUnavailableError, match="status 401"):
        await stranger.find(personal(PEOPLE[0]), timeout_seconds=5)
    await stranger.close()


@pytest.mark.parametrize("name", KINDS)
def test_a_record_of_another_shape_is_refused_by_a_text_without_values(name: str) -> None:
    """Error texts end in logs."""
    number = "097190000001"
    spoilt: list[dict[str, Any]] = [
        {},
        {"SoDinhDanh": 97190000001},
        {"SoDinhDanh": number, "ThoiDiemDuLieu": number},
        {"SoDinhDanh": number, "DoanhNghiep": number, "GiayPhep": [number], "KhaiSinh": number, "MucDo": number},
    ]
    for wire in spoilt:
        with pytest.raises(WireError) as error:
            reader_of(KINDS[name])(wire)
        assert number not in str(error.value)


def _paths(value: Any, prefix: str = "") -> list[str]:
    if isinstance(value, dict):
        return [path for key, inner in value.items() for path in _paths(inner, f"{prefix}{key}.")]
    if isinstance(value, list):
        return [path for inner in value for path in _paths(inner, prefix)]
    return [prefix.rstrip(".")]


def _fields(descriptor: Any, prefix: str = "") -> list[str]:
    found = []
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("dancu.registry."):
            found += _fields(inner, f"{prefix}{field.name}.")
        else:
            found.append(f"{prefix}{field.name}")
    return found
