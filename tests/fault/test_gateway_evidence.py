"""No record, no answer, seen from outside: system calls of a real worker, and a disk that is really full."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dancu.client import AsyncClient, Client, Refused, RetryPolicy
from mock_national_db import sample
from tests.fakes.programs import require_program
from tests.fakes.supervised import Supervised, children_of, wait_for
from tests.integration.conftest import DANCU, POPULATION, free_ports, read_env

ONCE = RetryPolicy(max_attempts=1)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Up:
    """A `dancu up` of one worker in a given data directory."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.process = Supervised(
            [
                *(str(DANCU), "up", "--data-dir", str(data_dir), "--population", str(POPULATION), "--workers", "1"),
                *free_ports(),
            ],
            folder=folder,
            cwd=folder,
        )
        self.process.wait_until_ready()
        self.demo = read_env(data_dir / "demo.env")

    @property
    def worker(self) -> int:
        (pid,) = (pid for pid, line in children_of(self.process.pid).items() if "processes.worker" in line)
        return pid

    def client(self) -> Client:
        return Client(target=self.demo["DANCU_TARGET"], key=self.demo["DANCU_BENCH_KEY"], retry=ONCE)

    def health(self) -> int:
        with grpc.insecure_channel(self.demo["DANCU_TARGET"]) as channel:
            answer: health_pb2.HealthCheckResponse = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=5
            )
            return int(answer.status)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB that a test may fill."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mounted)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = f"mounting a tmpfs needs root: {done.stderr.strip()}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def test_on_a_full_disk_nothing_is_answered_and_service_resumes_by_itself(disk: Path, tmp_path: Path) -> None:
    """P1: a disk that fills at night must cost answers, not evidence, and no one's sleep."""
    up = Up(tmp_path, disk / "data")
    people = list(sample(3, population=POPULATION))
    try:
        with up.client() as client:
            assert client.lookup_citizen(personal_number=people[0].personal_number, procedure="1.1").receipt
            ballast = fill(disk)
            wait_for(lambda: refused_for_audit(client, people[1].personal_number), "a refusal on the full disk")
            wait_for(lambda: up.health() == NOT_SERVING, "health NOT_SERVING")
            for person in people:
                assert refused_for_audit(client, person.personal_number)
            ballast.unlink()
            wait_for(lambda: up.health() == SERVING, "health SERVING")
            for person in people:
                found = client.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
                assert found.citizen.personal_number == person.personal_number
        verify = subprocess.run(
            [str(DANCU), "audit", "verify", "--data-dir", str(disk / "data")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert verify.returncode == 0, verify.stdout + verify.stderr
    finally:
        up.process.close()


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def refused_for_audit(client: Client, number: str) -> bool:
    try:
        client.lookup_citizen(personal_number=number, procedure="1.1")
    except Refused as refusal:
        return refusal.reason == "AUDIT_UNAVAILABLE"
    return False


async def test_the_records_sync_precedes_the_answers_send(tmp_path: Path) -> None:
    """P1 as the kernel sees it: fdatasync returns before the bytes of the answer are handed to the network."""
    strace = require_program("strace", "strace")
    up = Up(tmp_path, tmp_path / "data")
    people = list(sample(8, population=POPULATION, seed=1))
    traced = tmp_path / "trace"
    tracer = await asyncio.create_subprocess_exec(
        *(strace, "-f", "-s", "4096", "-e", "trace=fdatasync,sendmsg,sendto,write,writev"),
        *("-o", str(traced), "-p", str(up.worker)),
        stderr=subprocess.PIPE,
    )
    assert tracer.stderr is not None
    await tracer.stderr.readline()  # "strace: Process … attached"
    try:
        key = up.demo["DANCU_BENCH_KEY"]
        async with AsyncClient(target=up.demo["DANCU_TARGET"], key=key) as client:
            for person in people:
                await client.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
    finally:
        tracer.terminate()
        await tracer.communicate()
        up.process.close()
    lines = traced.read_text(errors="replace").splitlines()
    answered = 0
    previous = 0
    for person in people:
        # The number also travels to the national database; the answer is the send that carries the provenance's frame.
        at = next(
            position
            for position, line in enumerate(lines)
            if position >= previous and re.search(r"sendmsg\(", line) and person.personal_number in line
        )
        synced = [line for line in lines[previous:at] if re.search(r"fdatasync(\(| resumed).*\)\s+= 0", line)]
        assert synced, "\n".join(line[:120] for line in lines[previous : at + 1])
        previous = at + 1
        answered += 1
    assert answered == len(people)
