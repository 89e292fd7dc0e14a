"""Accounts and the ledger in SQL, by SQLAlchemy Core: the same statements on SQLite and PostgreSQL."""
