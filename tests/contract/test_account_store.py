"""What every account store promises, in memory, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.sql.account_store import SqlAccountStore
from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from gateway.accounts.entries import (
    AccountEntry,
    BindingEntry,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
    OrganisationKind,
    RequestEntry,
    RequestState,
)
from gateway.accounts.model import AccountStatus, BindingKind, Limits, Policy
from gateway.accounts.ports import AccountStore, AccountsUnavailableError, FirstAnswer
from gateway.model import Secret
from tests.fakes.accounts import MemoryAccountStore
from tests.fakes.clock import FakeClock

POLICY = Policy(
    version=3,
    methods=frozenset({"citizen.*", "!citizen.bulk"}),
    fields=frozenset({"*", "!religion_code"}),
    procedures=frozenset({"1.*"}),
    networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
    officer_required=True,
    staleness_ceiling=timedelta(hours=1),
    stale_if_error=timedelta(seconds=1.5),
    confidential_until=4_000_000_000.0,
)
ORGANISATION = OrganisationEntry("01", "Thành phố Hà Nội", OrganisationKind.PROVINCE, AccountStatus.ACTIVE, Limits(9))
ACCOUNT = AccountEntry("01/mot-cua", AccountStatus.SUSPENDED, POLICY, Limits(daily=5), not_after=4_000_000_000)
OFFICER = OfficerEntry("01/mot-cua", "cb-17", "Quầy 3", AccountStatus.ACTIVE, Limits(rate=1), 4_000_000_000)
KEY = KeyEntry("k1", "01/mot-cua", b"h" * 32, 1_000, 2_000, None, 1_500)
REQUEST = RequestEntry("r1", "01", "01/mot-cua", "01/x", POLICY, Limits(), "vì", RequestState.PENDING, 1_000)
BINDING = BindingEntry(BindingKind.URI, "urn:a", "01/mot-cua", "Máy", AccountStatus.ACTIVE, 1_000, 2_000, 1_500)
ENTRIES: tuple[Any, ...] = (ORGANISATION, ACCOUNT, OFFICER, BINDING, KEY, REQUEST)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> AsyncIterator[AccountStore]:
    if request.param == "memory":
        yield MemoryAccountStore(clock=clock)
        return
    url = request.getfixturevalue("postgres").fresh_database() if request.param == "postgresql" else ""
    engine = open_engine(url, data_dir=tmp_path)
    async with engine.begin() as connection:
        await upgrade(connection)
    yield SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=clock)
    await engine.dispose()


async def put(store: AccountStore, *entries: Any) -> None:
    async with store.change() as change:
        for entry in entries:
            await change.put(entry)


async def test_an_entry_comes_back_as_it_was_put(store: AccountStore) -> None:
    """A right that is lost or won on the way through the store would be nobody's decision."""
    await put(store, *ENTRIES)
    async with store.reading() as reader:
        for entry in ENTRIES:
            back = await reader.get(type(entry), *entry.key)
            if isinstance(entry, RequestEntry):
                assert back is not None
                back = replace(back, policy=replace(back.policy, version=3))
            assert back == entry
        assert await reader.get(AccountEntry, "01/nobody") is None


async def test_a_later_put_replaces_the_entry(store: AccountStore) -> None:
    """A change is not a second entry."""
    await put(store, *ENTRIES)
    await put(store, replace(OFFICER, status=AccountStatus.SUSPENDED))
    async with store.reading() as reader:
        (officer,) = await reader.page(OfficerEntry)
    assert officer.status is AccountStatus.SUSPENDED


async def test_pages_are_in_order_and_filtered(store: AccountStore) -> None:
    """A list that skips or repeats an account hides it."""
    await put(store, ORGANISATION, replace(ORGANISATION, code="04"), ACCOUNT)
    accounts = [replace(ACCOUNT, name=f"0{1 + 3 * (one % 2)}/a{one}") for one in range(6)]
    # Collations of databases disagree about these.
    accounts += [replace(ACCOUNT, name=f"01/{name}") for name in ("a-b", "a.b", "a_b", "ab", "zz")]
    await put(store, *accounts, *(replace(OFFICER, officer_id=f"o{one}") for one in (2, 1, 3)))
    async with store.reading() as reader:
        first = await reader.page(AccountEntry, limit=3)
        rest = await reader.page(AccountEntry, after=first[-1].key)
        assert [one.name for one in first + rest] == sorted(["01/mot-cua", *(one.name for one in accounts)])
        assert {one.organisation for one in await reader.page(AccountEntry, organisation="04")} == {"04"}
        assert [one.officer_id for one in await reader.page(OfficerEntry, after=OFFICER.key, account="01/mot-cua")] == [
            "o1",
            "o2",
            "o3",
        ]


async def test_bindings_are_listed_by_account_and_by_whether_they_are_in_force(store: AccountStore) -> None:
    """What was removed must not look as if it opened something."""
    removed = replace(BINDING, kind=BindingKind.DNS, status=AccountStatus.SUSPENDED)
    await put(store, ORGANISATION, ACCOUNT, BINDING, removed)
    async with store.reading() as reader:
        assert await reader.page(BindingEntry, account="01/mot-cua", status="active") == [BINDING]
        assert await reader.page(BindingEntry) == [removed, BINDING]
        assert await reader.page(BindingEntry, after=removed.key) == [BINDING]
        assert await reader.page(BindingEntry, account="01/other") == []


async def test_a_change_that_raises_leaves_nothing_behind(store: AccountStore) -> None:
    """Half a tree applied is a tree nobody wrote."""
    async with store.reading() as reader:
        version = await reader.version()

    async def fail_half_way() -> None:
        async with store.change() as change:
            await change.put(ORGANISATION)
            await change.moved()
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        await fail_half_way()
    async with store.reading() as reader:
        assert (await reader.get(OrganisationEntry, "01"), await reader.version()) == (None, version)


async def test_the_version_grows_once_for_each_change_that_moved(store: AccountStore) -> None:
    """Workers reload when it moves, and only then."""
    async with store.change() as change:
        version = await change.version()
        assert await change.moved() == version + 1
        assert await change.moved() == version + 1
    await put(store, ORGANISATION)
    async with store.reading() as reader:
        assert await reader.version() == version + 1


async def test_a_change_knows_whether_anything_was_put(store: AccountStore) -> None:
    """What changes nothing needs no record of an intent; what changes something must not go without."""
    async with store.change() as change:
        await change.get(OrganisationEntry, "01")
        await change.version()
        assert not change.changes
        await change.put(ORGANISATION)
        assert change.changes


async def test_changes_run_one_after_the_other(store: AccountStore) -> None:
    """Two operators who decide at the same moment must not both find the last free place."""
    await put(store, ORGANISATION)

    async def count_up() -> None:
        async with store.change() as change:
            held = await change.get(OrganisationEntry, "01")
            assert held is not None
            await asyncio.sleep(0.01)
            await change.put(replace(held, limits=Limits(rate=(held.limits.rate or 0) + 1)))

    await asyncio.gather(*(count_up() for _ in range(4)))
    async with store.reading() as reader:
        held = await reader.get(OrganisationEntry, "01")
    assert held is not None
    assert held.limits.rate == (ORGANISATION.limits.rate or 0) + 4


async def test_a_first_answer_is_kept_and_its_secret_for_a_while(store: AccountStore, clock: FakeClock) -> None:
    """A key is shown again to who lost the answer, and never later."""
    first = FirstAnswer(b"d" * 32, b"bare", b"dck_secret")
    async with store.change() as change:
        await change.keep_answer("BCA/a", "r1", first, secret_until=clock.now() + 600)
    async with store.change() as change:
        assert await change.first_answer("BCA/a", "r1") == first
        assert await change.first_answer("BCA/b", "r1") is None
    clock.advance(600)
    async with store.change() as change:
        assert await change.first_answer("BCA/a", "r1") == replace(first, secret_answer=None)


def written_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_no_secret_stands_in_the_database(tmp_path: Path, clock: FakeClock) -> None:
    """Who reads a backup must not find a key in it."""
    engine = open_engine("", data_dir=tmp_path)
    async with engine.begin() as connection:
        await upgrade(connection)
    store = SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=clock)
    async with store.change() as change:
        await change.keep_answer("a", "r", FirstAnswer(b"d", b"bare", b"dck_secret_in_clear"), secret_until=9e9)
    await engine.dispose()
    assert b"dck_secret_in_clear" not in written_in(tmp_path)


async def test_a_database_that_is_gone_is_told_as_the_port_says(tmp_path: Path, clock: FakeClock) -> None:
    """Texts of drivers never reach a caller."""
    engine = open_engine("", data_dir=tmp_path)
    async with engine.begin() as connection:
        await upgrade(connection)
        await connection.execute(text("DROP TABLE directory_state"))
    store = SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=clock)
    with pytest.raises(AccountsUnavailableError):
        async with store.change():
            pytest.fail("the change must not begin")
    await engine.dispose()
