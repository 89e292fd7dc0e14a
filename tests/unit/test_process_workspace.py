"""The data directory as `dancu up` uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.processes.valkey import MAX_SOCKET_PATH_BYTES
from adapters.processes.workspace import WorkspaceError, check, take


def test_what_it_makes_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """Logs, sockets and counters are nobody else's to read."""
    space = take(tmp_path / "new" / "data")
    try:
        for directory in (space.data_dir, space.logs, space.metrics, space.mock, space.sockets):
            assert directory.stat().st_mode & 0o777 == 0o700, directory
        assert (space.data_dir / "dancu.lock").stat().st_mode & 0o777 == 0o600
    finally:
        space.close()


def test_an_existing_run_directory_is_closed_to_others(tmp_path: Path) -> None:
    """A unix socket is as private as its directory; an operator's `mkdir` leaves it open."""
    (tmp_path / "run").mkdir(mode=0o755)
    space = take(tmp_path)
    space.close()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_the_lock_holds_until_it_is_closed(tmp_path: Path) -> None:
    """Two supervisors would write the same journals."""
    space = take(tmp_path)
    with pytest.raises(WorkspaceError, match="in use by pid"):
        check(tmp_path)
    with pytest.raises(WorkspaceError, match="in use by pid"):
        take(tmp_path)
    space.close()
    check(tmp_path)
    take(tmp_path).close()


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    """A start that is refused must not have touched the directory it was pointed at by mistake."""
    check(tmp_path)
    check(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_sockets_of_a_long_path_are_elsewhere_and_go_away(tmp_path: Path) -> None:
    """A unix socket's path ends at 107 bytes; installations under long paths exist."""
    space = take(tmp_path / ("d" * 60) / ("ê" * 30))
    sockets = space.sockets
    assert not sockets.is_relative_to(tmp_path)
    assert len(bytes(sockets / "notify-worker-255.sock")) <= MAX_SOCKET_PATH_BYTES
    assert sockets.stat().st_mode & 0o777 == 0o700
    space.close()
    assert not sockets.exists()


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    """A dead worker's counters would be added to the living ones' for ever."""
    take(tmp_path).close()
    leftovers = (tmp_path / "run" / "valkey.sock", tmp_path / "run" / "metrics" / "counter_worker-7.db")
    for leftover in leftovers:
        leftover.write_bytes(b"")
    take(tmp_path).close()
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_file_in_the_way_is_named_and_all_else_is_undone(tmp_path: Path) -> None:
    """Half an installation in somebody's directory is worse than none."""
    (tmp_path / "mock").write_text("")
    with pytest.raises(WorkspaceError, match=str(tmp_path / "mock")):
        take(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mock"]
