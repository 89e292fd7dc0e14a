import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock_national_db.blocks import BLOCK_SIZE
from mock_national_db.changes import Changes
from mock_national_db.households import Sex
from mock_national_db.live import LiveNation
from mock_national_db.store import Store, StoreError
from tests.fakes.mock_desk import NATION, PLACE, POPULATION, Desk, agree, couples, strangers


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.close()


def test_a_write_that_fails_changes_nothing(desk: Desk) -> None:
    """A full disk must leave the nation, the feed and the key as they were, so that a retry can succeed."""
    head, _ = next(couples(desk))
    desk.applied("DIA_CHI", head.personal_number, {"ThuongTru": PLACE, "CaHo": True})
    before, feed = desk.records(), desk.feed()
    desk.store._db.execute("CREATE TRIGGER broken BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    move = {"ThuongTru": {**PLACE, "MaTinh": "01"}, "CaHo": True}
    with pytest.raises(sqlite3.Error, match="disk full"):
        desk.submit("DIA_CHI", head.personal_number, move, key="k")
    assert desk.records() == before
    assert desk.feed() == feed
    desk.live = LiveNation(nation=desk.nation, store=desk.store)
    assert desk.records() == before
    desk.store._db.execute("DROP TRIGGER broken")
    desk.changes = Changes(live=desk.live, store=desk.store, clock=lambda: desk.now)
    assert desk.submit("DIA_CHI", head.personal_number, move, key="k")["PhienBan"] == 3


def test_changes_are_there_again_after_a_restart(tmp_path: Path) -> None:
    """The overlay is the only thing that is stored: people, newborns, feed, keys and versions come back from it."""
    first = Desk(tmp_path)
    groom, bride = strangers(first)
    first.applied("HO_TICH", groom.personal_number, {"TinhTrangHonNhan": 2, "SoDinhDanhVoChong": bride.personal_number})
    name = {"HoVaTen": {"Ho": "Lê", "Ten": "An"}, "GioiTinh": 1, "NgayThangNamSinh": {"NgayThangNam": "20260301"}}
    mother = next(s for _, s in couples(first) if s.sex is Sex.FEMALE and 1980 < s.birth_date.year < 2005)
    answer = first.submit("KHAI_SINH", mother.personal_number, name, key="birth")
    first.applied("DIA_CHI", answer["SoDinhDanh"], {"ThuongTru": PLACE})
    records, feed = first.records(), first.feed()
    first.store.close()
    second = Desk(tmp_path)
    second._keys = itertools.count(100)
    assert second.records() == records
    assert second.feed() == feed
    assert second.submit("KHAI_SINH", mother.personal_number, name, key="birth") == answer
    other = second.applied("KHAI_SINH", mother.personal_number, name)
    assert other["SoDinhDanh"] not in records
    second.applied("CAI_CHINH", bride.personal_number, {"HoVaTen": {"Ho": "Võ", "Ten": "Sau"}})
    assert second.person(groom.personal_number).spouse == (("Võ", "", "Sau"), bride.personal_number)
    agree(second)
    second.store.close()


def test_an_overlay_belongs_to_one_nation_and_one_process(tmp_path: Path) -> None:
    """Laid upon another nation it would move strangers; shared by two processes each would miss the other's changes."""
    first = Desk(tmp_path)
    with pytest.raises(StoreError, match="locked"):
        Store(data_dir=tmp_path, nation=NATION)
    first.store.close()
    with pytest.raises(StoreError, match="another nation"):
        Store(data_dir=tmp_path, nation={**NATION, "seed": "2"})
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot keep changes"):
        Store(data_dir=tmp_path / "file", nation=NATION)


def test_the_feed_is_read_in_pages_and_only_forwards(desk: Desk) -> None:
    """A follower that pages must meet every change once, in order."""
    head, _ = next(couples(desk))
    for house in range(7):
        desk.applied("DIA_CHI", head.personal_number, {"NoiOHienTai": {**PLACE, "ChiTiet": f"Số {house}"}})
    versions, cursor, more = [], "0", True
    while more:
        page = desk.feed(cursor, limit=3)
        assert len(page["ThayDoi"]) <= 3
        versions += [c["PhienBan"] for c in page["ThayDoi"]]
        cursor, more = page["ConTro"], page["ConNua"]
    assert versions == [2, 3, 4, 5, 6, 7, 8]
    assert desk.feed(cursor) == {
        "MaYeuCau": "f", "KetQua": "CO_THAY_DOI", "ThayDoi": [], "ConTro": cursor, "ConNua": False
    }  # fmt: skip
    assert desk.feed(None)["ConTro"] == cursor


def test_a_cursor_that_is_too_old_or_unknown_has_an_answer_of_its_own() -> None:
    """Silence would let a follower keep what it should have dropped."""
    desk = Desk(feed_limit=5)
    head, _ = next(couples(desk))
    first = desk.feed(None)["ConTro"]
    for house in range(12):
        desk.applied("DIA_CHI", head.personal_number, {"NoiOHienTai": {**PLACE, "ChiTiet": f"Số {house}"}})
    now = desk.feed(None)["ConTro"]
    for old in (first, "0"):
        assert desk.feed(old) == {
            "MaYeuCau": "f",
            "KetQua": "CON_TRO_QUA_CU",
            "ThayDoi": [],
            "ConTro": now,
            "ConNua": False,
        }
    feed_id, _, position = now.partition(".")
    other = "f" * 16 if feed_id != "f" * 16 else "0" * 16
    for unknown in (f"{other}.{position}", f"{feed_id}.{int(position) + 1}"):
        assert desk.feed(unknown)["KetQua"] == "CON_TRO_KHONG_BIET"
    kept = desk.feed(f"{feed_id}.{int(position) - 4}")
    assert [c["PhienBan"] for c in kept["ThayDoi"]] == [10, 11, 12, 13]
    desk.store.close()


def test_without_changes_nothing_is_read_from_the_overlay(desk: Desk) -> None:
    """A lookup of an unchanged citizen may not pay for changes of others."""
    head, _ = next(couples(desk))
    desk.applied("DIA_CHI", head.personal_number, {"NoiOHienTai": PLACE})
    untouched = next(
        i for i in range(POPULATION) if i // BLOCK_SIZE != (desk.live.index_of(head.personal_number) or 0) // BLOCK_SIZE
    )
    statements: list[str] = []
    desk.store._db.set_trace_callback(statements.append)
    number = desk.nation.number(untouched) or ""
    assert desk.live.person(desk.live.index_of(number) or 0) == desk.nation.person(untouched)
    assert desk.live.household_of(untouched) == desk.nation.household_of(untouched)
    assert statements == []
    desk.live._blocks.clear()
    desk.person(head.personal_number)
    assert statements
