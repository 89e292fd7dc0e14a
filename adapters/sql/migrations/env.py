"""Alembic's entry: runs the steps on the connection that `adapters.sql.migrate` hands over."""

from __future__ import annotations

from alembic import context

from adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="accounts_schema",
    # SQLite changes a column by copying its table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
