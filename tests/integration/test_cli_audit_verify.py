"""`dancu audit verify` on real journal files, sound and tampered with."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters.ledger.sqlite_store import SqliteLedgerStore
from dancu.cli import main
from tests.fakes.evidence import Evidence


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    made = Evidence(folder=tmp_path / "data")
    made.grow(rounds=2, origin="w0")
    made.grow(rounds=1, origin="w1")
    keys = tmp_path / "data" / "secrets" / "signing"
    keys.mkdir(parents=True)
    (keys / "1.verifier").write_text(f"{made.signer.verifier}\n")
    return made


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_sound_evidence_is_told_journal_by_journal(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    """What was looked at is part of the answer: nothing found in nothing is no comfort."""
    assert main(["audit", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("w0: 74 records in ")
    assert lines[1].startswith("w1: 37 records in ")
    assert lines[2] == "Nothing found: the evidence is as it was written."


def test_a_finding_names_index_and_file_and_exits_with_1(
    evidence: Evidence, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is called at night must know where to look."""
    segment = evidence.segment(0)
    flip(segment, segment.stat().st_size // 2)
    assert main(["audit", "verify"]) == 1
    out = capsys.readouterr().out
    assert "FINDING record_changed: w0, " in out
    assert segment.name in out
    assert "record " in out
    assert "Nothing found" not in out


def test_json_gives_each_journal_with_its_findings(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    """For monitoring that runs it every night."""
    segment = evidence.segment(0)
    flip(segment, segment.stat().st_size // 2)
    assert main(["audit", "verify", "--json"]) == 1
    damaged, sound = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (damaged["origin"], damaged["sound"]) == ("w0", False)
    assert damaged["findings"][0]["kind"] == "record_changed"
    assert damaged["findings"][0]["file"] == segment.name
    assert isinstance(damaged["findings"][0]["index"], int)
    assert (sound["origin"], sound["sound"], sound["records"], sound["size"]) == ("w1", True, 37, 37)
    assert sound["checkpoints"] == 1


def test_the_witness_finds_what_the_files_alone_cannot(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal put back to last week's copy is sound in itself."""
    shutil.rmtree(evidence.journal("w1"))
    assert main(["audit", "verify"]) == 0
    assert main(["audit", "verify", "--witness", str(evidence.witness), "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"w1"' in line]
    assert told[-1]["findings"][0]["kind"] == "journal_missing"


def test_what_no_checkpoint_covers_is_said(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first signature whoever can write files can write history."""
    evidence.write(5, "w2")
    assert main(["audit", "verify"]) == 0
    assert "No signed checkpoint covers w2 yet" in capsys.readouterr().out


def test_no_journal_is_no_clean_bill(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped directory must not pass the nightly check."""
    assert main(["audit", "verify", "--data-dir", "elsewhere"]) == 1
    assert capsys.readouterr().err == "dancu: elsewhere/journal: no journal is there\n"
    Path("data/journal").mkdir(parents=True)
    assert main(["audit", "verify", "--witness", "nowhere"]) == 1


def test_it_runs_as_a_process_without_a_terminal(evidence: Evidence, tmp_path: Path) -> None:
    """Cron's mail holds plain lines, no bar and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "dancu", "audit", "verify", "--lang", "vi"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "bằng chứng nguyên vẹn" in done.stdout


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger that took in all of it."""
    path = tmp_path / "data" / "ledger.sqlite"
    store = SqliteLedgerStore.open(path, create=True)
    store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO ledger_journals (origin, first_index, next_index) VALUES (?, 0, ?)", [("w0", 74), ("w1", 37)]
        )
    return path


def test_a_journal_that_only_the_ledger_remembers_is_a_finding(
    evidence: Evidence, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever removes a whole journal leaves no file that could be wrong, and most installations keep no witness."""
    assert main(["audit", "verify"]) == 0
    shutil.rmtree(evidence.journal("w1"))
    assert main(["audit", "verify"]) == 1
    assert "FINDING journal_missing: w1: the ledger holds records up to 36" in capsys.readouterr().out


def test_a_journal_rolled_back_behind_the_ledger_is_a_finding(
    evidence: Evidence, ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An old copy is sound in itself."""
    shutil.copytree(evidence.journal("w0"), tmp_path / "old")
    evidence.grow(rounds=1, origin="w0")
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE ledger_journals SET next_index = 111 WHERE origin = 'w0'")
    assert main(["audit", "verify"]) == 0
    shutil.rmtree(evidence.journal("w0"))
    shutil.copytree(tmp_path / "old", evidence.journal("w0"))
    assert main(["audit", "verify"]) == 1
    assert "FINDING records_missing: w0, record 74: the ledger holds records up to 110" in capsys.readouterr().out


def test_a_ledger_that_cannot_be_read_is_no_clean_bill(
    evidence: Evidence, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be compared was not."""
    assert evidence.root.is_dir()
    ledger.write_bytes(b"x" * 5000)
    assert main(["audit", "verify"]) == 1
    assert "ledger.sqlite" in capsys.readouterr().err
