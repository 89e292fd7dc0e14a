import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mock_national_db import Nation
from mock_national_db.notify import notify_ready

TOKEN = "a-token-for-the-process-tests"
VILLAGE = 2000


class Running:
    """A mock in a process of its own, listening on a socket in a folder of the test."""

    def __init__(self, process: Process, line: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.line = line
        self.session = session

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.post(f"http://mock{path}", json=body, headers=headers) as response:
            assert response.status == status
            return await response.json()


Start = Callable[..., contextlib.AbstractAsyncContextManager[Running]]


async def spawn(*arguments: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mock_national_db", *arguments,
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Start:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")

    @contextlib.asynccontextmanager
    async def running(*arguments: str, **environment: str) -> AsyncIterator[Running]:
        path = tmp_path / "mock.sock"
        process = await spawn("--unix-socket", str(path), "--token-file", str(token), *arguments, **environment)
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode()
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
                yield Running(process, line, session)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return running


def usage(pid: int) -> tuple[float, int]:
    """Return the CPU seconds a process has used, and its highest resident memory in KiB."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"), int(peak[0])


async def failed(*arguments: str) -> str:
    """Return the one line with which the mock refuses to start."""
    process = await spawn(*arguments)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1
    assert out == b""
    (line,) = err.decode().splitlines()
    return line


async def test_a_hundred_million_people_start_as_fast_as_a_village_and_fit_in_200_mb(start: Start) -> None:
    """The nation is computed, not stored: its size may cost neither time nor memory."""
    nation = Nation(population=1000, seed=1)
    items = [{"SoDinhDanh": nation.number(index)} for index in range(0, 1000, 10)]
    spent = {}
    for population in (1000, 100_000_000):
        async with start("--population", str(population)) as mock:
            assert f"population {population}," in mock.line
            answer = await mock.post("/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": items})
            assert {item["KetQua"] for item in answer["DanhSach"]} == {"TIM_THAY"}
            seconds, kilobytes = usage(mock.process.pid)
            spent[population] = seconds
            assert kilobytes < 200 * 1024
    assert spent[100_000_000] < 2 * spent[1000] + 0.5


async def test_sigterm_ends_the_mock_cleanly_even_while_requests_hang(start: Start, tmp_path: Path) -> None:
    """A supervisor restarts what stops cleanly; a hanging caller may not keep the process alive."""
    async with start("--population", str(VILLAGE)) as mock:
        await mock.post("/control/faults", {"hang_rate": 1})
        body = {"MaYeuCau": "r", "SoDinhDanh": Nation(population=1, seed=1).number(0)}
        hanging = asyncio.create_task(mock.post("/v1/citizens/lookup", body, status=503))
        await asyncio.wait({hanging}, timeout=0.2)
        mock.process.send_signal(signal.SIGTERM)
        assert await mock.process.wait() == 0
        assert (await hanging)["MaLoi"] == "TAM_NGUNG"
        assert not (tmp_path / "mock.sock").exists()


async def test_a_supervisor_is_told_when_the_mock_listens(start: Start, tmp_path: Path) -> None:
    """Nothing may be sent before the socket is open; a fixed pause would be a race or a waste."""
    path = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(20)
        async with start("--population", str(VILLAGE), NOTIFY_SOCKET=str(path)) as mock:
            assert await asyncio.to_thread(supervisor.recv, 100) == b"READY=1"
            async with mock.session.get("http://mock/healthz") as response:
                assert response.status == 200
    assert not notify_ready({"NOTIFY_SOCKET": str(tmp_path / "nobody.sock")})
    assert not notify_ready({})


async def test_a_change_survives_kill_9(start: Start, tmp_path: Path) -> None:
    """An answered change is made: after a crash the same key has the same answer and no second effect."""
    nation = Nation(population=VILLAGE, seed=1)
    number = next(nation.number(i) for i in range(VILLAGE) if nation.person(i).alive)
    options = ("--population", str(VILLAGE), "--data-dir", str(tmp_path / "data"))
    body = {
        "MaYeuCau": "s", "KhoaChongLap": "k", "LoaiThayDoi": "CAI_CHINH", "SoDinhDanh": number, "PhienBanGoc": 1,
        "NoiDung": {"HoVaTen": {"Ho": "Lê", "Ten": "Bền"}},
    }  # fmt: skip
    async with start(*options) as mock:
        cursor = (await mock.post("/v1/changes/read", {"MaYeuCau": "f"}))["ConTro"]
        waiting = {"MaYeuCau": "f", "ConTro": cursor, "ChoToiDaMs": 30_000}
        follower = asyncio.create_task(mock.post("/v1/changes/read", waiting))
        await asyncio.wait({follower}, timeout=0.1)
        assert not follower.done()
        answer = await mock.post("/v1/changes/submit", body)
        assert answer["PhienBan"] == 2
        told = (await follower)["ThayDoi"]
        assert number in {change["SoDinhDanh"] for change in told}
        mock.process.kill()
        await mock.process.wait()
    async with start(*options) as mock:
        assert await mock.post("/v1/changes/submit", body) == answer
        assert (await mock.post("/v1/changes/submit", {**body, "PhienBanGoc": 2}, status=409))[
            "MaLoi"
        ] == "KHOA_DA_DUNG"
        found = await mock.post("/v1/citizens/lookup", {"MaYeuCau": "r", "SoDinhDanh": number})
        assert (found["CongDan"]["HoVaTen"], found["CongDan"]["PhienBan"]) == ({"Ho": "Lê", "Ten": "Bền"}, 2)
        page = await mock.post("/v1/changes/read", {"MaYeuCau": "f", "ConTro": cursor})
        assert page["ThayDoi"] == told
        line = await failed("--unix-socket", str(tmp_path / "x"), "--token-file", str(tmp_path / "token"), *options)
        assert "locked" in line


async def test_no_number_is_ever_printed(start: Start, tmp_path: Path) -> None:
    """P8: whatever goes wrong, a log is read by people who may not know who was asked about."""
    data = tmp_path / "data"
    async with start("--population", str(VILLAGE), "--data-dir", str(data)) as mock:
        number = Nation(population=VILLAGE, seed=1).number(0)
        await mock.post("/v1/citizens/lookup", {"MaYeuCau": "r", "SoDinhDanh": number})
        await mock.post("/v1/citizens/lookup", {"MaYeuCau": "r", "SoDinhDanh": number, str(number): 1}, status=400)
        await mock.post(f"/v1/citizens/{number}", {}, status=404)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "mock.sock"))
        writer.write(f"POST /v1/citizens/lookup HTTP/1.1\r\nHost: mock\r\n{number} is no header\r\n\r\n".encode())
        assert b"400" in await reader.read()
        writer.close()
        mock.process.terminate()
        out, err = await mock.process.communicate()
        assert mock.process.returncode == 0
        assert str(number).encode() not in out + err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--population", "0"], "population must be at least 1"),
        (["--population", "many"], "invalid int value"),
        (["--population", "99999999999"], "at most"),
        (["--numbering", "roman"], "invalid choice"),
        (["--no-such-option"], "unrecognized arguments"),
        (["--token-file", "/nonexistent/token"], "No such file"),
        (["--port", "70000"], "from 0 to 65535"),
    ],
)
async def test_a_bad_option_is_one_line_and_exit_status_1(tmp_path: Path, arguments: list[str], message: str) -> None:
    """An operator reads one line; a traceback hides it."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    line = await failed("--population", "100", "--token-file", str(token), *arguments)
    assert line.startswith("mock_national_db: ")
    assert message in line


async def test_a_token_too_short_to_protect_anything_is_refused(tmp_path: Path) -> None:
    """An empty token file would let everybody in."""
    token = tmp_path / "token"
    for text in ("", "short\n", "with a space in it, long enough\n"):
        token.write_text(text)
        assert "must start with a token" in await failed("--token-file", str(token))
    assert "required: --token-file" in await failed()


async def test_a_taken_port_or_socket_is_one_line_and_exit_status_1(start: Start, tmp_path: Path) -> None:
    """Two mocks on one port would each answer half of the questions."""
    token = tmp_path / "token"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = await failed("--port", port, "--token-file", str(token), "--population", "100")
        assert line == f"mock_national_db: cannot listen on 127.0.0.1:{port}: address already in use"
    async with start("--population", "100") as mock:
        path = tmp_path / "mock.sock"
        line = await failed("--unix-socket", str(path), "--token-file", str(token), "--population", "100")
        assert line == f"mock_national_db: cannot listen on {path}: address already in use"
        async with mock.session.get("http://mock/healthz") as response:
            assert json.loads(await response.text()) == {"TrangThai": "SAN_SANG"}
        assert path.stat().st_mode & 0o777 == 0o600
