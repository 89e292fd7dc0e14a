"""Organisations, accounts, officers, keys, requests, first answers, and the version of the directory."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables and the one row of the directory's state."""
    op.create_table(
        "organisations",
        sa.Column("code", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column(
            "organisation",
            sa.String(32),
            sa.ForeignKey("organisations.code", name="fk_accounts_organisation"),
            nullable=False,
            index=True,
        ),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("policy_version", sa.BigInteger, nullable=False),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("admin_role", sa.String(16), nullable=False),
        sa.Column("not_after", sa.BigInteger),
    )
    op.create_table(
        "officers",
        sa.Column(
            "account", sa.String(100), sa.ForeignKey("accounts.name", name="fk_officers_account"), primary_key=True
        ),
        sa.Column("officer_id", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
        sa.Column("not_after", sa.BigInteger),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column(
            "account",
            sa.String(100),
            sa.ForeignKey("accounts.name", name="fk_api_keys_account"),
            nullable=False,
            index=True,
        ),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "account_requests",
        sa.Column("request_key", sa.String(64), primary_key=True),
        sa.Column(
            "organisation",
            sa.String(32),
            sa.ForeignKey("organisations.code", name="fk_account_requests_organisation"),
            nullable=False,
        ),
        sa.Column("asker", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
        sa.Column("justification", sa.String(2000), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.String(1000), nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("key_shown_at", sa.BigInteger),
    )
    op.create_index("ix_account_requests_organisation", "account_requests", ["organisation", "state"])
    op.create_table(
        "account_first_answers",
        sa.Column("asker", sa.String(100), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary),
        sa.Column("secret_until", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )
    state = op.create_table(
        "directory_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("lineage", sa.String(32), nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "version": 0, "lineage": secrets.token_hex(16)}])
