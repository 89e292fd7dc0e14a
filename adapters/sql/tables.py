"""The tables of accounts."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

organisations = Table(
    "organisations",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # ministry, province
    Column("status", String(16), nullable=False),
    Column("limits", JSON, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(100), primary_key=True),  # <organisation code>/<account name>
    Column("organisation", ForeignKey("organisations.code"), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("limits", JSON, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("policy_version", BigInteger, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("admin_role", String(16), nullable=False),  # empty for callers
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False, index=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),  # seconds since the epoch
    Column("not_after", BigInteger),
)

directory_state = Table(
    "directory_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),  # grows with every change of the tables above
)
