"""Audit commands on an installation that has stopped: its ledger is read where it lies, and can be folded anew."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert

from adapters.secret_files import SUBJECT_TOKEN, key_ring
from adapters.sql.tables import metadata, organisations
from dancu.cli.audit_source import is_stopped
from gateway.audit.tokens import Tokens
from gateway.model import CitizenNumber, NumberKind
from tests.fakes.ledger import LOOKUP, JournalWriter, LedgerWorld, audit_record, random_records

AN = "098190000017"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two journals, taken in; one lookup of AN among them."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dancu.lock").write_text("1\n")
    token = Tokens(key_ring(folder, SUBJECT_TOKEN).ensure()).of(CitizenNumber(NumberKind.PERSONAL, AN))
    world = LedgerWorld(folder)
    (folder / "journal").mkdir()
    chance = random.Random(7)
    for origin in ("m-w0", "m-w1"):
        writer = JournalWriter(folder / "journal", origin)
        writer.write(random_records(chance, 150))
        writer.close()
    writer = JournalWriter(folder / "journal", "m-w2")
    writer.write([audit_record(subject_token=token, officer="cb-99", fields=["full_name"])])
    writer.close()
    world.catch_up()
    engine = create_engine(f"sqlite:///{folder / 'ledger.sqlite'}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        names = (("01", "Thành phố Hà Nội", "province"), ("BTP", "Bộ Tư pháp", "ministry"))
        for code, name, kind in names:
            values = {"code": code, "name": name, "kind": kind, "status": "active", "limits": {}}
            connection.execute(insert(organisations).values(values))
    engine.dispose()
    return folder


def dancu(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DANCU_")}
    return subprocess.run(
        [sys.executable, "-m", "dancu", *arguments],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def totals(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        return list(connection.execute("SELECT sum(calls), sum(citizens), sum(fields) FROM ledger_hours"))


def test_all_records_are_listed_over_pages_without_a_key(data_dir: Path) -> None:
    """After an incident the machine is off the network, and the questions come then."""
    done = dancu(data_dir, "audit", "list", "--json", "--limit", "5000", "--data-dir", "data")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["receipt"] for row in rows}) == len(rows) == 301
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)


def test_a_citizen_is_found_by_number_and_the_number_is_told_nowhere(data_dir: Path) -> None:
    """The token key lies beside the ledger; the number stays with who asked."""
    done = dancu(data_dir, "audit", "disclosures", AN, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = (json.loads(line) for line in done.stdout.splitlines())
    assert row["officer"] == "cb-99"
    listed = dancu(data_dir, "audit", "list", "--subject", AN, "--method", LOOKUP)
    assert "cb-99" in listed.stdout
    assert AN not in done.stdout + listed.stdout
    by_scope = dancu(data_dir, "audit", "list", "--method", "citizen.lookup")
    assert by_scope.returncode == 2


def test_the_report_is_made_from_the_ledger_and_names_organisations(data_dir: Path) -> None:
    """The committee meets whether or not the machine runs."""
    done = dancu(data_dir, "report", "--lang", "vi", "--by", "organisation")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Thành phố Hà Nội" in done.stdout
    assert "Bộ Tư pháp" in done.stdout
    assert "RATE_LIMITED" in done.stdout


def test_rebuild_gives_equal_totals(data_dir: Path) -> None:
    """A copy that cannot be made again is no copy."""
    before = totals(data_dir)
    with sqlite3.connect(data_dir / "ledger.sqlite") as connection:
        connection.execute("UPDATE ledger_hours SET calls = calls + 1")
    assert totals(data_dir) != before
    done = dancu(data_dir, "audit", "rebuild")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "301 records were taken in anew.\n"
    assert totals(data_dir) == before


def test_a_missing_ledger_is_said(tmp_path: Path) -> None:
    """A mistyped directory must not be answered with an empty list, nor be made."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dancu.lock").write_text("1\n")
    done = dancu(tmp_path / "other", "audit", "list", "--data-dir", "other")
    assert (done.returncode, done.stderr) == (1, "dancu: other/ledger.sqlite: no ledger is there\n")
    done = dancu(tmp_path / "other", "audit", "rebuild", "--data-dir", "nowhere")
    assert (done.returncode, done.stderr) == (1, "dancu: nowhere: no installation is there\n")
    assert not (tmp_path / "nowhere").exists()
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["dancu.lock"]


def test_a_directory_without_a_lock_is_not_taken_for_a_stopped_one(tmp_path: Path) -> None:
    """Processes that systemd started hold no lock of `dancu up`."""
    assert not is_stopped(tmp_path)
    (tmp_path / "dancu.lock").write_text("1\n")
    assert is_stopped(tmp_path)
