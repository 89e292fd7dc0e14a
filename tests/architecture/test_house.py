"""The rules of the house (docs/decisions, DESIGN §4), kept by reading the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dancu.errors.v1 import errors_pb2
from gateway.errors import Reason
from gateway.messages import MESSAGES
from gateway.transport.statuses import CODES

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
FORBIDDEN_IN_GATEWAY = {
    *("adapters", "mock_national_db", "redis", "aiohttp", "sqlalchemy", "sqlite3", "asyncpg", "prometheus_client"),
    *("aiosqlite", "uvloop"),
}
# Policy decides from what it is given: it waits for nothing and asks no clock.
POLICY = [
    "gateway/accounts/checks.py",
    "gateway/accounts/entries.py",
    "gateway/accounts/explain.py",
    "gateway/accounts/failed_logins.py",
    "gateway/accounts/gcra.py",
    "gateway/accounts/leases.py",
    "gateway/accounts/limit_nodes.py",
    "gateway/accounts/misses.py",
    "gateway/accounts/guards.py",
    "gateway/accounts/model.py",
    "gateway/accounts/rules.py",
    "gateway/accounts/overload.py",
    "gateway/accounts/quota.py",
    "gateway/accounts/shares.py",
    "gateway/calls/rate_limit_fields.py",
    "gateway/accounts/snapshot.py",
    "gateway/accounts/tokens.py",
    "gateway/accounts/tree.py",
    "gateway/accounts/wire.py",
    "gateway/calls/answer.py",
    "gateway/calls/authorise.py",
    "gateway/calls/identify.py",
    "gateway/calls/validation.py",
    "gateway/citizens/answers.py",
    "gateway/citizens/changes.py",
    "gateway/citizens/fields.py",
    "gateway/citizens/freshness.py",
    "gateway/citizens/household_rights.py",
    "gateway/citizens/matching.py",
    "gateway/citizens/names.py",
    "gateway/citizens/numbers.py",
    "gateway/citizens/requests.py",
    "gateway/geography/provinces.py",
    "gateway/registries/kinds.py",
    "gateway/registries/rights.py",
    "gateway/transport/lean/frames.py",
    "gateway/transport/lean/header_blocks.py",
    "gateway/transport/lean/limits.py",
    "gateway/transport/lean/patience.py",
    "gateway/transport/lean/request_head.py",
    "gateway/transport/statuses.py",
    "gateway/upstream/breaker.py",
    "gateway/upstream/concurrency.py",
    "gateway/upstream/failures.py",
    "gateway/upstream/patience.py",
    "gateway/upstream/policy.py",
    "gateway/upstream/retries.py",
]
# Reasons of the public contract that later work raises. A reason leaves this list when code raises it.
PLANNED: set[str] = set()


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if "_pb2" not in path.name)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def names(paths: Iterator[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("name", names(sources("gateway")))
def test_the_gateway_imports_no_technology(name: str) -> None:
    """Policy that knows a driver cannot be read, tested or moved without it."""
    for imported in imports_of(ROOT / name):
        assert imported.partition(".")[0] not in FORBIDDEN_IN_GATEWAY, imported
        if name != "gateway/transport/grpc_aio.py":
            assert imported.partition(".")[0] != "grpc", imported


@pytest.mark.parametrize("name", names(sources("proto/dancu/client")))
def test_the_client_library_imports_nothing_of_the_server(name: str) -> None:
    """Provinces install the client alone."""
    for imported in imports_of(ROOT / name):
        assert imported.partition(".")[0] not in {"gateway", "adapters", "mock_national_db"}, imported


@pytest.mark.parametrize("name", names(sources("mock_national_db")))
def test_the_mock_knows_nothing_of_the_gateway_but_geography(name: str) -> None:
    """The mock stands in for a foreign system; sharing code with the gateway would hide mistakes in both."""
    for imported in imports_of(ROOT / name):
        top = imported.partition(".")[0]
        assert top not in {"adapters", "dancu"}, imported
        assert top != "gateway" or imported.startswith("gateway.geography"), imported


@pytest.mark.parametrize("name", POLICY)
def test_policy_waits_for_nothing_and_asks_no_clock(name: str) -> None:
    """A decision that can be tabled needs neither."""
    tree = ast.parse((ROOT / name).read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith), node.lineno
    assert not {"time", "asyncio", "random", "os"} & set(imports_of(ROOT / name))


@pytest.mark.parametrize(
    "name", names(sources("gateway", "adapters", "mock_national_db", "proto/dancu", "scripts", "tests", "bench"))
)
def test_files_stay_short_enough_to_read(name: str) -> None:
    """A file has one reason to exist."""
    assert len((ROOT / name).read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize(
    "name", names(sources("gateway", "adapters", "mock_national_db", "proto/dancu", "scripts", "bench"))
)
def test_modules_open_with_what_they_own(name: str) -> None:
    """The reader finds the file in a minute."""
    source = (ROOT / name).read_text()
    assert not source.strip() or ast.get_docstring(ast.parse(source)), name


def test_reasons_are_those_of_the_contract() -> None:
    """Clients branch on reasons; a name or number that drifts breaks them silently."""
    contract = {name.removeprefix("ERROR_REASON_"): number for name, number in errors_pb2.ErrorReason.items() if number}
    assert {reason.name: reason.value for reason in Reason} == contract


def test_every_reason_has_a_text_in_both_languages() -> None:
    """An official reads Vietnamese."""
    assert set(MESSAGES) == set(Reason)
    for message in MESSAGES.values():
        assert message.en.endswith(".")
        assert message.vi.endswith(".")
        assert not message.vi.isascii()


def test_every_reason_is_raised_by_code_and_by_a_test() -> None:
    """A reason nobody has seen is a promise nobody has kept."""
    code = "".join(path.read_text() for path in sources("gateway"))
    tests = "".join(path.read_text() for path in sources("tests"))
    for reason in Reason:
        raised = re.search(rf"(Error\(|__init__\(|else )\s*Reason\.{reason.name}\b", code) is not None
        assert raised != (reason.name in PLANNED), f"{reason.name}: raised by code: {raised}"
        assert not raised or re.search(rf"(\b|ERROR_REASON_){reason.name}\b", tests), f"{reason.name} is in no test"


def test_every_kind_of_refusal_has_a_wire_status() -> None:
    """A kind without a status would crash on the way out, unseen until the day it is needed."""
    kinds = set(re.findall(r'kind = "([A-Z_]+)"', (ROOT / "gateway/errors.py").read_text()))
    assert kinds == set(CODES)
