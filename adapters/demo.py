"""The demo set of `dancu up`: organisations by their real names, accounts, and the keys in `demo.env`.

Ministries carry the abbreviations of official documents (Circular 01/2011/TT-BNV, names as of 2025), provincial units
the codes of Decision 19/2025/QĐ-TTg.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.secret_files import write_private
from adapters.sql.migrate import upgrade
from adapters.sql.policies import limits_to_json, policy_to_json
from adapters.sql.rows import MAPPINGS
from adapters.sql.tables import accounts, api_keys, directory_state, organisations
from gateway.accounts.entries import KeyEntry
from gateway.accounts.keys import KeyMaker
from gateway.accounts.model import EVERYTHING, AccountStatus, Limits, Policy
from gateway.geography.provinces import NEW_PROVINCES
from gateway.model import Secret

MINISTRIES = {
    "BQP": "Bộ Quốc phòng",
    "BCA": "Bộ Công an",
    "BNG": "Bộ Ngoại giao",
    "BNV": "Bộ Nội vụ",
    "BTP": "Bộ Tư pháp",
    "BTC": "Bộ Tài chính",
    "BCT": "Bộ Công Thương",
    "BNNMT": "Bộ Nông nghiệp và Môi trường",
    "BXD": "Bộ Xây dựng",
    "BVHTTDL": "Bộ Văn hóa, Thể thao và Du lịch",
    "BKHCN": "Bộ Khoa học và Công nghệ",
    "BGDDT": "Bộ Giáo dục và Đào tạo",
    "BYT": "Bộ Y tế",
    "BDTTG": "Bộ Dân tộc và Tôn giáo",
    "NHNN": "Ngân hàng Nhà nước Việt Nam",
}
_EVERYTHING = frozenset({EVERYTHING})
_ALL = Policy(version=1, methods=_EVERYTHING, fields=_EVERYTHING, procedures=_EVERYTHING)
_NOTHING = Policy(version=1, methods=frozenset(), fields=frozenset(), procedures=frozenset())
# What a counter needs to fill in a form; the rest is granted case by case.
_COUNTER = Policy(
    version=1,
    methods=frozenset({"citizen.lookup"}),
    fields=frozenset({"personal_number", "full_name", "birth_date", "sex", "permanent_residence", "life_status"}),
    procedures=_EVERYTHING,
    officer_required=True,
    identity_check=True,
)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account of the demo set; `variable` names its key in `demo.env`, None for accounts without one."""

    name: str
    organisation: str
    policy: Policy
    limits: Limits
    variable: str | None
    admin_role: str = ""


KEYED = (
    DemoAccount("01/demo", "01", _ALL, Limits(rate=200), "DANCU_API_KEY"),
    DemoAccount("01/bench", "01", _ALL, Limits(misses_unlimited=True), "DANCU_BENCH_KEY"),
    DemoAccount("BCA/van-hanh", "BCA", _NOTHING, Limits(), "DANCU_ADMIN_KEY", admin_role="administrator"),
)


async def ensure_demo(engine: AsyncEngine, *, pepper: Secret, env_file: Path, targets: dict[str, str]) -> None:
    """Create the demo set once; afterwards only `targets` of `env_file` are brought up to date.

    Keys are shown in `env_file` alone, mode 0600. Where that file was lost, the three demo accounts get new keys and
    the lost ones stop working.
    """
    async with engine.begin() as connection:
        await upgrade(connection)
        if await connection.scalar(select(directory_state.c.version)) == 0:
            await _create(connection)
        values = _parse(env_file)
        if any(account.variable not in values for account in KEYED):
            values |= await _issue(connection, pepper)
    write_private(env_file, "".join(f"{name}={value}\n" for name, value in (targets | _keys_of(values)).items()))


async def _create(connection: AsyncConnection) -> None:
    listed = [(code, name, "ministry") for code, name in MINISTRIES.items()]
    listed += [(province.code, province.official_name, "province") for province in NEW_PROVINCES.values()]
    active = AccountStatus.ACTIVE.value
    await connection.execute(
        insert(organisations),
        [{"code": code, "name": name, "kind": kind, "status": active, "limits": {}} for code, name, kind in listed],
    )
    counters = [
        DemoAccount(f"{code}/mot-cua", code, _COUNTER, Limits(rate=50, in_flight=100), None) for code, _, _ in listed
    ]
    await connection.execute(
        insert(accounts),
        [
            {
                "name": account.name,
                "organisation": account.organisation,
                "status": active,
                "limits": limits_to_json(account.limits),
                "policy": policy_to_json(account.policy),
                "policy_version": account.policy.version,
                "test": account.variable is not None,
                "admin_role": account.admin_role,
            }
            for account in (*KEYED, *counters)
        ],
    )
    await connection.execute(update(directory_state).values(version=1))


async def _issue(connection: AsyncConnection, pepper: Secret) -> dict[str, str]:
    issued = {}
    for account in KEYED:
        assert account.variable is not None
        key, issued[account.variable] = KeyMaker(pepper).make(account.name, now=time.time())
        await connection.execute(delete(api_keys).where(api_keys.c.account == account.name))
        await connection.execute(insert(api_keys).values(MAPPINGS[KeyEntry].to_row(key)))
    await connection.execute(update(directory_state).values(version=directory_state.c.version + 1))
    return issued


def _parse(env_file: Path) -> dict[str, str]:
    if not env_file.exists():
        return {}
    lines = (line.strip() for line in env_file.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _keys_of(values: dict[str, str]) -> dict[str, str]:
    return {account.variable: values[account.variable] for account in KEYED if account.variable is not None}
