import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from mock_national_db.change_requests import KINDS, read
from mock_national_db.changes import KeyReusedError
from mock_national_db.households import MaritalStatus, Relation, Sex
from mock_national_db.requests import InvalidRequestError
from tests.fakes.mock_desk import NOW, PLACE, POPULATION, Desk, agree, couples, household, strangers


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.close()


def test_a_new_current_address_is_on_the_record_with_the_next_version(desk: Desk) -> None:
    """The simplest change: one person, one field, one version, one entry in the feed."""
    head, _ = next(couples(desk))
    before = desk.records()
    answer = desk.applied("DIA_CHI", head.personal_number, {"NoiOHienTai": PLACE})
    after = desk.records()
    assert answer["PhienBan"] == 2
    assert {number for number in after if after[number] != before[number]} == {head.personal_number}
    record = after[head.personal_number]
    assert record["NoiOHienTai"]["TenTinh"] == "Thành phố Đà Nẵng"
    assert record["ThoiDiemDuLieu"] == "20260302090000"
    feed = desk.feed()
    assert [(c["SoDinhDanh"], c["PhienBan"], c["DaHuy"]) for c in feed["ThayDoi"]] == [(head.personal_number, 2, False)]
    assert feed["ConTro"] == answer["ConTro"]


def test_a_household_moves_together_or_one_of_them_moves_out(desk: Desk) -> None:
    """All members share one permanent address: a move takes them all, or founds a household of one."""
    head, spouse = next(couples(desk))
    together = household(desk, head.personal_number)
    desk.applied("DIA_CHI", spouse.personal_number, {"ThuongTru": PLACE, "CaHo": True})
    moved = household(desk, head.personal_number)
    assert [m.personal_number for m in moved] == [m.personal_number for m in together]
    assert {m.permanent_residence.commune for m in moved} == {"Phường Hải Châu"}
    assert {m.record_version for m in moved} == {2}
    desk.applied("DIA_CHI", head.personal_number, {"ThuongTru": {**PLACE, "MaTinh": "01"}})
    assert [m.personal_number for m in household(desk, head.personal_number)] == [head.personal_number]
    left = household(desk, spouse.personal_number)
    assert [m.personal_number for m in left] != []
    assert head.personal_number not in {m.personal_number for m in left}
    assert left[0].household is not None
    assert left[0].household.household_id == together[0].household.household_id  # type: ignore[union-attr]
    agree(desk)


def test_a_corrected_name_is_corrected_wherever_it_is_named(desk: Desk) -> None:
    """A cached child's record with the old name of the mother would be stale at an unchanged version."""
    head, spouse = next(couples(desk))
    name = {"Ho": "Nguyễn", "ChuDem": "Cải", "Ten": "Chính"}
    before = desk.records()
    desk.applied("CAI_CHINH", spouse.personal_number, {"HoVaTen": name})
    after = desk.records()
    assert after[head.personal_number]["VoChong"]["HoVaTen"] == name
    changed = {number for number in after if after[number] != before[number]}
    assert changed == {c["SoDinhDanh"] for c in desk.feed()["ThayDoi"]}
    assert len(changed) >= 3
    assert all(after[number]["PhienBan"] == before[number]["PhienBan"] + 1 for number in changed)
    agree(desk)


def test_a_marriage_and_a_divorce_change_both_records(desk: Desk) -> None:
    """Also across families: later corrections of one must reach the other."""
    groom, bride = strangers(desk)
    desk.applied("HO_TICH", groom.personal_number, {"TinhTrangHonNhan": 2, "SoDinhDanhVoChong": bride.personal_number})
    married = desk.person(bride.personal_number)
    assert married.marital_status is MaritalStatus.MARRIED
    assert married.spouse == (groom.name, groom.personal_number)
    desk.applied("CAI_CHINH", groom.personal_number, {"HoVaTen": {"Ho": "Lê", "Ten": "Mới"}})
    assert desk.person(bride.personal_number).spouse == (("Lê", "", "Mới"), groom.personal_number)
    assert desk.person(bride.personal_number).record_version == 3
    agree(desk)
    desk.applied("HO_TICH", bride.personal_number, {"TinhTrangHonNhan": 4})
    divorced = desk.person(groom.personal_number)
    assert divorced.marital_status is MaritalStatus.DIVORCED
    assert divorced.spouse is None
    agree(desk)


def test_a_death_widows_the_spouse_and_passes_the_household_on(desk: Desk) -> None:
    """One death changes many records; a benefit paid on any of them depends on it."""
    head, spouse = next(couples(desk))
    home = household(desk, head.personal_number)
    desk.applied("KHAI_TU", head.personal_number, {"NgayMat": "20260301"})
    dead = desk.person(head.personal_number)
    assert (dead.alive, str(dead.death_date), dead.household, dead.spouse) == (False, "2026-03-01", None, None)
    assert dead.permanent_residence == head.permanent_residence
    widow = desk.person(spouse.personal_number)
    assert widow.marital_status is MaritalStatus.WIDOWED
    left = household(desk, spouse.personal_number)
    assert len(left) == len(home) - 1
    assert left[0].household is not None
    assert left[0].household.household_id == home[0].household.household_id  # type: ignore[union-attr]
    agree(desk)


def test_a_child_is_born_with_a_number_of_its_own(desk: Desk) -> None:
    """Births are the commonest change of all; the child is found, named by nobody else's number, and at home."""
    head, spouse = next((h, s) for h, s in couples(desk) if s.sex is Sex.FEMALE and 1985 < s.birth_date.year < 2005)
    child = {
        "HoVaTen": {"Ho": head.surname, "ChuDem": "Bảo", "Ten": "An"},
        "GioiTinh": 2,
        "NgayThangNamSinh": {"NgayThangNam": "20260115"},
        "SoDinhDanhChaMeKia": head.personal_number,
    }
    taken = set(desk.records())
    answer = desk.applied("KHAI_SINH", spouse.personal_number, child)
    born = desk.person(answer["SoDinhDanh"])
    assert answer["PhienBan"] == born.record_version == 1
    assert answer["SoDinhDanh"] not in taken
    assert answer["SoDinhDanh"][3:6] == "326"
    assert born.father == (head.name, head.personal_number)
    assert born.mother == (spouse.name, spouse.personal_number)
    assert born.representative == born.father
    assert born.household is not None
    assert born.household.relation is Relation.CHILD
    assert answer["SoDinhDanh"] in {m.personal_number for m in household(desk, head.personal_number)}
    again = desk.applied("KHAI_SINH", spouse.personal_number, child)
    assert again["SoDinhDanh"] != answer["SoDinhDanh"]
    assert [c["LoaiThayDoi"] for c in desk.feed()["ThayDoi"]] == ["KHAI_SINH", "KHAI_SINH"]
    agree(desk)
    desk.applied("DIA_CHI", answer["SoDinhDanh"], {"ThuongTru": PLACE, "CaHo": True})
    assert desk.person(head.personal_number).permanent_residence.province_code == "48"
    desk.applied("KHAI_TU", again["SoDinhDanh"], {"NgayMat": "20260201"})
    assert not desk.person(again["SoDinhDanh"]).alive
    agree(desk)


def test_a_withdrawn_record_is_nobodys_and_leaves_a_tombstone(desk: Desk) -> None:
    """Followers must drop it, or they would go on disclosing a record that the nation disowned."""
    head, spouse = next(couples(desk))
    legacy = desk.nation.person(desk.live.index_of(spouse.personal_number) or 0).legacy_number
    desk.applied("HUY_SO", spouse.personal_number, {})
    assert desk.live.index_of(spouse.personal_number) is None
    assert legacy is None or desk.live.indexes_of_legacy(legacy) == ()
    assert desk.person(head.personal_number).spouse == (spouse.name, None)
    tombstones = [c for c in desk.feed()["ThayDoi"] if c["DaHuy"]]
    assert [(c["SoDinhDanh"], c["PhienBan"]) for c in tombstones] == [(spouse.personal_number, 2)]
    assert desk.submit("HUY_SO", spouse.personal_number, {})["KetQua"] == "KHONG_TIM_THAY"
    agree(desk)


def test_a_stale_submission_conflicts_and_is_told_what_differs(desk: Desk) -> None:
    """Two offices edit one record: the second must see what the first did, not overwrite it."""
    head, _ = next(couples(desk))
    number = head.personal_number
    desk.applied("DIA_CHI", number, {"NoiOHienTai": PLACE})
    desk.applied("CAI_CHINH", number, {"TonGiao": "02"})
    answer = desk.submit("DIA_CHI", number, {"NoiOHienTai": {**PLACE, "MaTinh": "01"}}, version=1)
    assert answer["KetQua"] == "XUNG_DOT"
    assert answer["PhienBan"] == 3
    assert answer["TruongDaDoi"] == ["NoiOHienTai", "TonGiao"]
    assert answer["TruongKhacNhau"] == ["NoiOHienTai"]
    same = desk.submit("DIA_CHI", number, {"NoiOHienTai": PLACE}, version=2)
    assert (same["TruongDaDoi"], same["TruongKhacNhau"]) == (["TonGiao"], [])
    future = desk.submit("CAI_CHINH", number, {"NhomMau": "04"}, version=9)
    assert future["KetQua"] == "XUNG_DOT"
    assert "TruongDaDoi" not in future
    assert desk.person(number).record_version == 3


def test_the_same_key_has_the_same_answer_and_one_effect(desk: Desk) -> None:
    """A caller whose connection broke sends again: the change may not be made twice, nor the answer differ."""
    head, _ = next(couples(desk))
    first = desk.submit("DIA_CHI", head.personal_number, {"NoiOHienTai": PLACE}, key="k", version=1)
    assert desk.submit("DIA_CHI", head.personal_number, {"NoiOHienTai": PLACE}, key="k", version=1) == first
    assert desk.person(head.personal_number).record_version == 2
    with pytest.raises(KeyReusedError):
        desk.submit("DIA_CHI", head.personal_number, {"NoiOHienTai": PLACE}, key="k", version=2)
    conflict = desk.submit("CAI_CHINH", head.personal_number, {"TonGiao": "02"}, key="c", version=1)
    desk.applied("CAI_CHINH", head.personal_number, {"TonGiao": "02"})
    assert desk.submit("CAI_CHINH", head.personal_number, {"TonGiao": "02"}, key="c", version=1) == conflict


def test_rules_refuse_what_cannot_be(desk: Desk) -> None:
    """Each refusal is one that the real database makes, and a sync that must be able to fail."""
    head, spouse = next(couples(desk))
    groom, bride = strangers(desk)
    dead = next(p for i in range(POPULATION) if not (p := desk.nation.person(i)).alive)
    child = next(
        p for i in range(POPULATION) if (p := desk.nation.person(i)).father and p.birth_date.year > 2012 and p.alive
    )
    orphan_birth = {
        "HoVaTen": {"Ho": "Lê", "Ten": "An"},
        "GioiTinh": 1,
        "NgayThangNamSinh": {"NgayThangNam": "20260301"},
    }
    marry = {"TinhTrangHonNhan": 2}
    for kind, who, content, reason in (
        ("DIA_CHI", dead, {"NoiOHienTai": PLACE}, "DA_MAT"),
        ("KHAI_TU", dead, {"NgayMat": "20260101"}, "DA_MAT"),
        ("KHAI_TU", head, {"NgayMat": "20260303"}, "NGAY_KHONG_HOP_LE"),
        ("KHAI_TU", head, {"NgayMat": "19010101"}, "NGAY_KHONG_HOP_LE"),
        ("HO_TICH", groom, {"TinhTrangHonNhan": 4}, "CHUA_KET_HON"),
        ("HO_TICH", groom, {**marry, "SoDinhDanhVoChong": spouse.personal_number}, "DA_KET_HON"),
        ("HO_TICH", groom, {**marry, "SoDinhDanhVoChong": dead.personal_number}, "DA_MAT"),
        ("HO_TICH", groom, {**marry, "SoDinhDanhVoChong": groom.personal_number}, "QUAN_HE_CAM"),
        ("HO_TICH", groom, {**marry, "SoDinhDanhVoChong": child.personal_number}, "CHUA_DU_TUOI"),
        ("HO_TICH", groom, {**marry, "SoDinhDanhVoChong": "097199000000"}, "VO_CHONG_KHONG_TIM_THAY"),
        ("CAI_CHINH", head, {"NgayThangNamSinh": {"Nam": "1900"}}, "NAM_SINH_KHAC"),
        ("KHAI_SINH", child, orphan_birth, "CHA_ME_KHONG_HOP_LE"),
        ("KHAI_SINH", bride, {**orphan_birth, "SoDinhDanhChaMeKia": spouse.personal_number}, "CHA_ME_KHONG_HOP_LE"),
    ):
        number = who.personal_number
        assert desk.submit(kind, number, content) == {"MaYeuCau": "s", "KetQua": "TU_CHOI", "LyDo": reason}, (
            kind,
            content,
        )
    assert desk.submit("HUY_SO", "097199000000", {})["KetQua"] == "KHONG_TIM_THAY"
    assert desk.feed()["ThayDoi"] == []


def test_close_family_may_not_marry(desk: Desk) -> None:
    """Brother and sister, parent and child."""
    for index in range(POPULATION):
        kin = desk.live.kin(index)
        person = desk.live.person(index)
        if not person.alive or kin.mother is None or person.birth_date.year > 2004:
            continue
        mother = desk.live.person(kin.mother)
        if mother.alive:
            marry = {"TinhTrangHonNhan": 2, "SoDinhDanhVoChong": mother.personal_number}
            assert desk.submit("HO_TICH", person.personal_number, marry)["LyDo"] == "QUAN_HE_CAM"
            return
    raise AssertionError("the village has no grown child with a living mother")


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_change_names_every_violation(kind: str) -> None:
    """A strict form is what keeps half a change out of the nation."""
    body = {
        "MaYeuCau": "s",
        "KhoaChongLap": "k",
        "LoaiThayDoi": kind,
        "SoDinhDanh": "1",
        "PhienBanGoc": 0,
        "NoiDung": {"A": 1},
    }
    with pytest.raises(InvalidRequestError) as refused:
        read(json.dumps(body).encode())
    fields = [violation.field for violation in refused.value.violations]
    assert {"SoDinhDanh", "PhienBanGoc", "NoiDung.A"} <= set(fields)


@pytest.mark.parametrize("seed", range(2))
def test_every_record_that_reads_differently_has_a_new_version_and_an_entry(desk: Desk, seed: int) -> None:
    """The promise a cache lives by: same version, same record. Checked over the whole village after random changes."""
    chance = random.Random(seed)
    records = desk.records()
    cursor = desk.feed(None)["ConTro"]
    applied = 0
    for step in range(30):
        desk.now = NOW + timedelta(minutes=step)
        number = chance.choice(sorted(records))
        answer = desk.submit(*_anything(desk, chance, number, sorted(records)))
        after = desk.records()
        page = desk.feed(cursor)
        cursor = page["ConTro"]
        told = {c["SoDinhDanh"]: c for c in page["ThayDoi"]}
        assert len(told) == len(page["ThayDoi"])
        assert told.keys() == {n for n in records.keys() | after.keys() if records.get(n) != after.get(n)}
        for changed, entry in told.items():
            assert entry["PhienBan"] == records.get(changed, {"PhienBan": 0})["PhienBan"] + 1
            assert entry["DaHuy"] is (changed not in after)
            assert entry["DaHuy"] or entry["PhienBan"] == after[changed]["PhienBan"]
        applied += answer["KetQua"] == "DA_AP_DUNG"
        records = after
    agree(desk)
    assert applied > 12


def _anything(desk: Desk, chance: random.Random, number: str, numbers: list[str]) -> tuple[str, str, Any]:
    place = {**PLACE, "MaTinh": chance.choice(["01", "48", "79"]), "ChiTiet": f"Số {chance.randrange(9)}"}
    name = {"Ho": "Lê", "ChuDem": chance.choice(["Văn", "Thị"]), "Ten": chance.choice(["An", "Bình"])}
    birth = {"HoVaTen": name, "GioiTinh": chance.randint(1, 2), "NgayThangNamSinh": {"NgayThangNam": "20260110"}}
    kind, content = chance.choice([
        ("DIA_CHI", {"NoiOHienTai": place}),
        ("DIA_CHI", {"ThuongTru": place, "CaHo": True}),
        ("DIA_CHI", {"ThuongTru": place}),
        ("HO_TICH", {"TinhTrangHonNhan": 4}),
        ("HO_TICH", {"TinhTrangHonNhan": 2, "SoDinhDanhVoChong": chance.choice(numbers)}),
        ("CAI_CHINH", {"HoVaTen": name}),
        ("KHAI_TU", {"NgayMat": "20260301"}),
        ("KHAI_SINH", birth),
        ("HUY_SO", {}),
    ])  # fmt: skip
    return kind, number, content
