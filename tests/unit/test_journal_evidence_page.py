"""`docs/evidence.md` is what outsiders rely on: its program must check real proofs, and its formats be the real ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.journal.frames import MAX_RECORD_BYTES
from adapters.journal.segments import MAGIC, decode_header
from gateway.audit.merkle import leaf_hash
from gateway.audit.receipt import Receipt
from tests.fakes.evidence import Evidence, record

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    evidence.grow()
    return evidence


def check(evidence: Evidence, index: int, change: dict[str, object]) -> subprocess.CompletedProcess[str]:
    keeper = evidence.keeper()
    proof = keeper.inclusion_proof(index).to_json()
    keeper.close()
    path = evidence.folder / "proof.json"
    path.write_text(json.dumps(proof | change))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(path), str(evidence.signer.verifier)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_program_of_the_page_proves_a_real_record(evidence: Evidence) -> None:
    """An outsider types it in and gets the receipt back."""
    done = check(evidence, 77, {})
    assert done.stdout.split(" ")[0] == str(Receipt("w0", 77, leaf_hash(record(77)))), done.stderr


@pytest.mark.parametrize("change", [{"record": "AAAA"}, {"index": 76}, {"size": 147}, {"path": []}])
def test_the_program_of_the_page_refuses_a_false_proof(evidence: Evidence, change: dict[str, object]) -> None:
    """A checker that always agrees would be worse than none."""
    done = check(evidence, 77, change)
    assert done.returncode == 1
    assert "AssertionError" in done.stderr


def test_the_page_names_every_field_of_the_header(evidence: Evidence) -> None:
    """A field nobody explained is one nobody can check."""
    path = evidence.segment(1)
    data = path.read_bytes()
    end = decode_header(data, path.name).end
    fields = json.loads(data[len(MAGIC) + 8 : end])
    for name in fields:
        assert f"| `{name}` |" in PAGE
    assert f"{MAX_RECORD_BYTES:,}" in PAGE
    assert MAGIC.decode().strip() in PAGE
