"""The datagrams of sd_notify(3), both ends."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from adapters.processes.notify import VARIABLE, NotifySocket, notify


async def test_what_a_child_says_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness is the one thing the supervisor cannot see from outside."""
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    ears = NotifySocket(path=tmp_path / "notify.sock", heard=lambda *words: heard.put_nowait(words))
    try:
        monkeypatch.setenv(VARIABLE, str(ears.path))
        notify("STATUS=opening the journal: a=b")
        notify("READY=1\nSTATUS=serving\nnonsense")
        async with asyncio.timeout(10):
            words = [await heard.get() for _ in range(3)]
        assert words == [("STATUS", "opening the journal: a=b"), ("READY", "1"), ("STATUS", "serving")]
        assert heard.empty()
    finally:
        ears.close()
    assert not (tmp_path / "notify.sock").exists()


async def test_the_words_of_a_dead_child_are_not_taken_for_its_successors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A READY that was still queued would count for a child that has only begun."""
    heard: list[tuple[str, str]] = []
    ears = NotifySocket(path=tmp_path / "notify.sock", heard=lambda *words: heard.append(words))
    try:
        monkeypatch.setenv(VARIABLE, str(ears.path))
        notify("READY=1")
        ears.discard()
        notify("STATUS=begins")
        async with asyncio.timeout(10):
            while not heard:  # noqa: ASYNC110  the list is filled by a callback
                await asyncio.sleep(0.01)
        assert heard == [("STATUS", "begins")]
    finally:
        ears.close()


def test_without_a_manager_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker started by hand, or one whose manager is gone, must serve all the same."""
    monkeypatch.delenv(VARIABLE, raising=False)
    notify("READY=1")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nobody.sock"))
    notify("READY=1")
    monkeypatch.setenv(VARIABLE, "relative/paths/are/not/allowed")
    notify("READY=1")
    monkeypatch.setenv(VARIABLE, "/" + "x" * 200)
    notify("READY=1")
    assert list(tmp_path.iterdir()) == []


def test_the_abstract_namespace_of_systemd_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """User managers of systemd hand out such addresses."""
    name = f"dancu-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        monkeypatch.setenv(VARIABLE, "@" + name)
        notify("STOPPING=1")
        manager.settimeout(10)
        assert manager.recv(64) == b"STOPPING=1"


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue of a datagram socket is short; a supervisor that is stopped must not stop its workers."""
    path = tmp_path / "deaf.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        monkeypatch.setenv(VARIABLE, str(path))
        for _ in range(1000):
            notify("STATUS=busy")
