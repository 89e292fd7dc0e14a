"""The example of docs/examples/node: a stock gRPC client in another language calls every public RPC."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mock_national_db import sample
from tests.architecture.test_methods import declared
from tests.integration.conftest import GatewayUp

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "node"
INSTALL = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")


def missing(what: str) -> None:
    """Skip where a newcomer runs the tests, fail where CI does."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its packages, outside the working copy."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("Node.js with npm is needed (Debian: apt-get install nodejs npm)")
    assert npm is not None
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "every_rpc.js"):
        shutil.copy(EXAMPLE / name, folder)
    installed = subprocess.run([npm, *INSTALL], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if installed.returncode:
        missing(f"npm cannot install the example's packages: {installed.stderr.strip()[-300:]}")
    return folder


def run(example: Path, gateway: GatewayUp, number: str, key: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "every_rpc.js", number, str(ROOT / "proto")],
        cwd=example,
        env={"PATH": os.environ["PATH"], "DANCU_TARGET": gateway.target, "DANCU_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_stock_client_of_node_calls_every_public_rpc(example: Path, gateway_up: GatewayUp) -> None:
    """The contract is the .proto files, not our library."""
    person = next(person for person in sample(5, population=1_000_000) if person.alive)
    done = run(example, gateway_up, person.personal_number, gateway_up.demo["DANCU_BENCH_KEY"])
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        told[one.pop("rpc")] = one
    public = {name for name, method in declared().items() if not method.admin_roles}
    assert set(told) == public
    answered = {rpc.partition("/")[2] for rpc, one in told.items() if "answer" in one}
    assert {"LookupCitizen", "LookupCivilStatus", "ListAccountRequests"} <= answered
    citizen = told["dancu.citizen.v1.CitizenService/LookupCitizen"]["answer"]["citizen"]
    assert citizen["fullName"] == person.full_name
    refused = {rpc.partition("/")[2]: one["refused"] for rpc, one in told.items() if "refused" in one}
    assert refused["GetAccountRequest"]["reason"] == "RESOURCE_NOT_FOUND"
    assert {one["reason"] for one in refused.values()} <= {
        "REGISTRY_RECORD_NOT_FOUND", "RESOURCE_NOT_FOUND", "INVALID_REQUEST", "CHECKPOINT_PENDING",
    }  # fmt: skip


def test_a_stock_client_reads_why_it_was_refused(example: Path, gateway_up: GatewayUp) -> None:
    """Reasons are for machines, in every language."""
    done = run(example, gateway_up, "097190000001", "dck_nobody_" + "A" * 43)
    reasons = {json.loads(line)["refused"]["reason"] for line in done.stdout.splitlines()}
    assert reasons == {"KEY_UNKNOWN"}


def test_the_example_keeps_no_packages_and_no_lock_in_the_repository() -> None:
    """A lock holds registry addresses, a folder of packages other people's code."""
    assert sorted(path.name for path in EXAMPLE.iterdir() if path.name != "node_modules") == [
        "every_rpc.js", "package.json",
    ]  # fmt: skip
    assert "node_modules/" in (ROOT / ".gitignore").read_text().splitlines()
