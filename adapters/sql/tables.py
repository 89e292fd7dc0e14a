"""The tables of accounts. `adapters/sql/migrations` makes them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)

organisations = Table(
    "organisations",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # ministry, province, other
    Column("status", String(16), nullable=False),  # active, suspended
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
    Column("not_after", BigInteger),  # all times are seconds since the epoch
)

officers = Table(
    "officers",
    metadata,
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("officer_id", String(64), primary_key=True),
    Column("label", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("limits", JSON, nullable=False),
    Column("not_after", BigInteger),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False, index=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("not_after", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

account_bindings = Table(
    "account_bindings",
    metadata,
    Column("kind", String(16), primary_key=True),  # fingerprint, uri, dns, subject, client
    Column("value", String(512), primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False, index=True),
    Column("label", String(200), nullable=False),
    Column("status", String(16), nullable=False),  # a removed one is suspended
    Column("created_at", BigInteger, nullable=False),
    Column("not_after", BigInteger),
    Column("last_used_at", BigInteger),
)

account_requests = Table(
    "account_requests",
    metadata,
    Column("request_key", String(64), primary_key=True),
    Column("organisation", ForeignKey("organisations.code"), nullable=False),
    Column("asker", String(100), nullable=False),
    Column("name", String(100), nullable=False),
    Column("policy", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("justification", String(2000), nullable=False),
    Column("state", String(16), nullable=False),  # pending, approved, rejected
    Column("created_at", BigInteger, nullable=False),
    Column("decision", String(1000), nullable=False),
    Column("decided_at", BigInteger),
    Column("key_shown_at", BigInteger),
    Index("ix_account_requests_organisation", "organisation", "state"),
)

first_answers = Table(
    "account_first_answers",
    metadata,
    Column("asker", String(100), primary_key=True),
    Column("request_id", String(64), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("sealed_answer", LargeBinary),  # with the secret, encrypted
    Column("secret_until", BigInteger),
    Column("created_at", BigInteger, nullable=False, index=True),
)

directory_state = Table(
    "directory_state",
    metadata,
    Column("id", Integer, primary_key=True),  # 1, the only row
    Column("version", BigInteger, nullable=False),  # grows with every change of the tables above
    Column("lineage", String(32), nullable=False),  # made with the database: a fresh one is told from an old copy
)
