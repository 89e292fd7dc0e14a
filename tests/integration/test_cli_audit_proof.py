"""`dancu audit proof`: from a receipt to a sentence that nobody has to take on trust."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dancu.cli import main
from dancu.receipt.v1.receipt_service_pb2 import GetInclusionProofResponse
from gateway.audit.checkpoints import Checkpoint, sign_checkpoint
from gateway.audit.merkle import inclusion_proof, leaf_hash, node_hash, root_of
from gateway.audit.notes import SignerKey
from tests.fakes.scripted_audit import ScriptedAudit, listed, record_at, serving

SIGNER = SignerKey("dancu.example", bytes(range(32)))
STRANGER = SignerKey("dancu.example", bytes(32))
INDEX = 2
RECORDS = [record_at(index) for index in range(5)]
RECEIPT = listed(RECORDS[INDEX]).receipt


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.chdir(tmp_path)


def proved(*, signer: SignerKey = SIGNER, about: int = INDEX) -> GetInclusionProofResponse:
    leaves = [leaf_hash(record.SerializeToString()) for record in RECORDS]

    def node(level: int, index: int) -> bytes:
        return leaves[index] if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return GetInclusionProofResponse(
        record=RECORDS[about].SerializeToString(),
        leaf_index=about,
        tree_size=len(leaves),
        path=inclusion_proof(about, len(leaves), node),
        checkpoint=sign_checkpoint(Checkpoint("test-w0", len(leaves), root_of(leaves)), [signer]),
    )


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAudit]:
    scripted = ScriptedAudit()
    scripted.proof = proved()
    scripted.verifier_keys = [str(SIGNER.verifier)]
    with serving(scripted) as target:
        monkeypatch.setenv("DANCU_TARGET", target)
        monkeypatch.setenv("DANCU_API_KEY", "dck_k_s")
        yield scripted


def test_a_proof_is_verified_with_the_public_key_alone(
    gateway: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence is for a person, the record below it for the file."""
    assert main(["audit", "proof", RECEIPT, "--verify", "--key", str(SIGNER.verifier)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith("Verified: the record below is number 2 of journal test-w0")
    assert "01/mot-cua" in told.out
    assert "2026-01-05 09:00:02 +0700" in told.out
    assert gateway.keys == ["Bearer dck_k_s"]


def test_a_proof_kept_in_a_file_needs_no_gateway(gateway: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """It must still convince when the gateway is gone, or has an interest."""
    assert main(["audit", "proof", RECEIPT, "-o", "proof.json"]) == 0
    asked = len(gateway.requests)
    Path("keys").write_text(f"{STRANGER.verifier}\n{SIGNER.verifier}\n")
    assert main(["audit", "proof", "proof.json", "--verify", "--key-file", "keys", "--lang", "vi"]) == 0
    assert "Đã xác minh" in capsys.readouterr().out
    assert len(gateway.requests) == asked
    assert main(["audit", "proof", "proof.json", "--verify"]) == 2
    assert "--key" in capsys.readouterr().err


def test_a_key_that_the_gateway_told_is_named_as_such(
    gateway: ScriptedAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway that vouches for itself proves little, and the reader must know."""
    assert main(["audit", "proof", RECEIPT, "--verify"]) == 0
    out = capsys.readouterr().out
    assert "told by the gateway itself" in out
    assert str(SIGNER.verifier) in out


def test_keys_of_a_named_installation_are_taken_from_its_files(
    gateway: ScriptedAudit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs the machine need not copy keys about."""
    folder = tmp_path / "inst" / "secrets" / "signing"
    folder.mkdir(parents=True)
    (folder / "1.verifier").write_text(f"{SIGNER.verifier}\n")
    (tmp_path / "inst" / "demo.env").write_text(f"DANCU_TARGET={os.environ['DANCU_TARGET']}\nDANCU_API_KEY=dck_k_s\n")
    assert main(["audit", "proof", RECEIPT, "--verify", "--data-dir", "inst"]) == 0
    assert str(folder.relative_to(tmp_path)) in capsys.readouterr().out


def change(response: GetInclusionProofResponse, what: str) -> GetInclusionProofResponse:
    if what == "record":
        other = record_at(INDEX, officer="somebody-else")
        response.record = other.SerializeToString()
    elif what == "path":
        response.path[0] = bytes(32)
    elif what == "signature":
        response.checkpoint = proved(signer=STRANGER).checkpoint
    elif what == "index":
        response.leaf_index = 3
    elif what == "size":
        response.tree_size = 6
    elif what == "another record":
        response = proved(about=3)
    return response


@pytest.mark.parametrize("what", ["record", "path", "signature", "index", "size", "another record"])
def test_whatever_was_changed_is_found(what: str, gateway: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """Each part of the proof carries it; a check left out is a way around."""
    gateway.proof = change(proved(), what)
    assert main(["audit", "proof", RECEIPT, "--verify", "--key", str(SIGNER.verifier)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("dancu: Not verified: ")
    assert main(["audit", "proof", RECEIPT, "--verify", "--key", str(SIGNER.verifier), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verified"] is False


def test_json_says_what_was_verified(gateway: ScriptedAudit, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts that check receipts by the thousand."""
    assert main(["audit", "proof", RECEIPT, "--verify", "--key", str(SIGNER.verifier), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["origin"], told["index"], told["size"]) == (True, "test-w0", 2, 5)
    assert told["record"]["receipt"] == told["receipt"] == RECEIPT


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no-receipt"], 2),
        ([RECEIPT, "--verify", "--key", "no-key"], 2),
        ([RECEIPT, "--key-file", "missing"], 1),
        (["not-a-proof.json", "--verify"], 1),
    ],
)
def test_what_is_no_receipt_no_key_and_no_proof_is_told_apart(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and nothing is asked of a gateway."""
    Path("not-a-proof.json").write_text('{"kind": "shopping list"}')
    assert main(["audit", "proof", *arguments]) == code
    assert capsys.readouterr().err.startswith("dancu: ")
