"""Tables before service: a control process on its own makes them, a worker on its own says that they are missing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from adapters.installation import prepare
from adapters.sql.migrate import HEAD
from dancu.account.v1 import account_service_pb2 as pb
from dancu.client import Client, Refused
from gateway.settings import Settings
from tests.fakes.supervised import Supervised, wait_for
from tests.integration.conftest import read_env
from tests.integration.test_control_process import free_port

SERVICE = "dancu.account.v1.AccountService"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dancu-") as name:
        yield Path(name)


def control(folder: Path, data_dir: Path) -> tuple[Supervised, str]:
    """`dancu control` and nothing else, with the address of its admin port; returned once it is ready or ended."""
    port = free_port()
    process = Supervised(
        [sys.executable, "-P", "-m", "dancu", "control"],
        folder=folder,
        environment={
            "DANCU_DATA_DIR": str(data_dir),
            "DANCU_ADMIN__PORT": str(port),
            "DANCU_HTTP__PORT": str(free_port()),
            "DANCU_GRPC__PORT": str(free_port()),
        },
        cwd=folder,
    )
    wait_for(lambda: "control_ready" in process.err or process.process.poll() is not None, "the control process")
    return process, f"127.0.0.1:{port}"


def worker(folder: Path, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """`dancu worker` with nothing else there; it must end by itself."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "DANCU_DATA_DIR": str(data_dir),
        "DANCU_GRPC__PORT": "0",
        "DANCU_REDIS__URL": f"unix://{folder}/none.sock",
        "DANCU_NATIONAL_DB__URL": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-P", "-m", "dancu", "worker", "--slot", "0"]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def at_step(data_dir: Path, step: str) -> None:
    """Say that the tables are at another step."""
    with closing(sqlite3.connect(data_dir / "ledger.sqlite")) as connection:
        connection.execute("UPDATE accounts_schema SET version_num = ?", (step,))
        connection.commit()


def told_by(err: str) -> list[str]:
    """The causes that a process ended with, one a line."""
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    return [str(line["cause"]) for line in lines if line.get("event") in {"worker_failed", "control_failed"}]


def test_a_control_process_on_its_own_makes_the_tables_and_serves(folder: Path) -> None:
    """Whoever runs the processes by systemd has no `dancu up` that would have prepared anything."""
    data_dir = folder / "data"
    process, target = control(folder, data_dir)
    try:
        assert process.process.poll() is None, process.err
        with closing(sqlite3.connect(data_dir / "ledger.sqlite")) as connection:
            assert connection.execute("SELECT version_num FROM accounts_schema").fetchall() == [(HEAD,)]
            assert connection.execute("SELECT count(*) FROM accounts").fetchall() == [(0,)]
        with Client(target=target, key=f"dck_nobody_{'x' * 44}") as stranger, pytest.raises(Refused) as refused:
            stranger.call(f"{SERVICE}/ListAccounts", pb.ListAccountsRequest(), pb.ListAccountsResponse)
        assert refused.value.reason == "KEY_UNKNOWN"
    finally:
        process.close()


def test_a_control_process_on_its_own_administers_what_is_there(folder: Path) -> None:
    """The accounts of a first `dancu up` are looked after by systemd's control process ever after."""
    data_dir = folder / "data"
    prepare(Settings(data_dir=data_dir), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    process, target = control(folder, data_dir)
    try:
        with Client(target=target, key=read_env(data_dir / "demo.env")["DANCU_ADMIN_KEY"]) as operator:
            request = pb.SuspendAccountRequest(name="01/demo")
            changed = operator.call(f"{SERVICE}/SuspendAccount", request, pb.SuspendAccountResponse).message
        assert changed.account.name == "01/demo"
    finally:
        process.close()


def test_secrets_that_are_lost_are_not_made_anew_over_keys_in_use(folder: Path) -> None:
    """A new pepper would lock every caller out, and hide that somebody forgot to copy the old one."""
    data_dir = folder / "data"
    prepare(Settings(data_dir=data_dir), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    for path in (data_dir / "secrets" / "api-key-pepper").iterdir():
        path.unlink()
    process, _ = control(folder, data_dir)
    try:
        assert process.process.wait(30) == 1
        (cause,) = told_by(process.err)
        assert "api-key-pepper holds no key" in cause
        assert "Traceback" not in process.err
    finally:
        process.close()


def test_a_worker_without_tables_says_so_in_one_line(folder: Path) -> None:
    """The first thing that goes wrong when processes are started in the wrong order."""
    ended = worker(folder, folder / "data")
    assert ended.returncode == 1
    assert told_by(ended.stderr) == [
        "the database holds no accounts' tables: start `dancu control` or `dancu up` first"
    ]
    assert "Traceback" not in ended.stderr


def test_a_worker_refuses_tables_of_an_older_version(folder: Path) -> None:
    """It would read what is not there yet, in the middle of a call."""
    data_dir = folder / "data"
    prepare(Settings(data_dir=data_dir), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    at_step(data_dir, "0000")
    ended = worker(folder, data_dir)
    assert ended.returncode == 1
    assert told_by(ended.stderr) == [
        f"the accounts' tables are at step 0000, this version needs {HEAD}: start its `dancu control` first"
    ]


def test_a_control_process_refuses_tables_of_a_newer_version(folder: Path) -> None:
    """What it does not know it must not write."""
    data_dir = folder / "data"
    prepare(Settings(data_dir=data_dir), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    at_step(data_dir, "9999")
    process, target = control(folder, data_dir)
    try:
        assert process.process.wait(30) == 1
        assert told_by(process.err) == [
            f"the accounts' tables are at step 9999, newer than this version knows ({HEAD})"
        ]
        with grpc.insecure_channel(target) as channel, pytest.raises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(channel).result(0.2)
    finally:
        process.close()
