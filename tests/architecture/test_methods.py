"""Every RPC of the protos is declared with its scope, cost and audit class, and nothing else is."""

from __future__ import annotations

import importlib
from pathlib import Path

from google.protobuf import descriptor_pool

from gateway.calls.inquiry import AuditClass, Method
from tests.fakes.accounts import FakeAdministration
from tests.fakes.audit_desk import FakeAudit
from tests.fakes.gateway import FakeGateway

ROOT = Path(__file__).resolve().parents[2]


def rpcs_of_the_protos() -> set[str]:
    found = set()
    for proto in (ROOT / "proto").glob("dancu/**/*_service.proto"):
        relative = proto.relative_to(ROOT / "proto")
        importlib.import_module(str(relative.with_suffix("")).replace("/", ".") + "_pb2")
        services = descriptor_pool.Default().FindFileByName(str(relative)).services_by_name.values()
        found |= {f"{service.full_name}/{method.name}" for service in services for method in service.methods}
    return found


def declared() -> dict[str, Method]:
    return FakeGateway().methods | FakeAdministration().methods | FakeAudit().methods


def test_every_rpc_is_declared() -> None:
    """An RPC without a declared scope would be open to everybody or to nobody."""
    assert set(declared()) == rpcs_of_the_protos()


def test_every_declaration_is_whole() -> None:
    """Scope, cost and audit class are what makes a method safe to serve."""
    for name, method in declared().items():
        assert method.name == name
        assert method.scope
        assert method.audit in AuditClass
