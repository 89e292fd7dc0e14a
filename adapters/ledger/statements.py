"""The statements of the ledger's bulk writers, made from the tables, so that a column that is renamed is renamed here.

Texts for SQLite's driver; PostgreSQL's are the same calls with another dialect.
"""

from __future__ import annotations

from sqlalchemy import ClauseElement, bindparam, delete, literal_column, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.schema import CreateIndex, CreateTable

from adapters.ledger.tables import LEDGER_TABLES, dossiers, hours, journals, records, series

_DIALECT = sqlite.dialect(paramstyle="qmark")


def _text(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


CREATE = (
    *(_text(CreateTable(table, if_not_exists=True)) for table in LEDGER_TABLES),
    *(_text(CreateIndex(index, if_not_exists=True)) for table in LEDGER_TABLES for index in table.indexes),
)

ADD_JOURNAL = _text(
    insert(journals)
    .values(origin=bindparam("origin"), first_index=literal_column("0"), next_index=literal_column("0"))
    .on_conflict_do_nothing(index_elements=[journals.c.origin])
)
"""Parameters: origin."""
_cursors = select(journals.c.id, journals.c.origin, journals.c.first_index, journals.c.next_index, journals.c.last_leaf)
READ_CURSORS = _text(_cursors.order_by(journals.c.origin))
"""The fields of `Cursor` in their order."""
READ_CURSOR = _text(_cursors.where(journals.c.origin == bindparam("origin")))
"""Parameters: origin. The fields of `Cursor` in their order."""
MOVE_CURSOR = _text(
    update(journals)
    .values(next_index=bindparam("new_next"), last_leaf=bindparam("new_leaf"))
    .where(
        journals.c.id == bindparam("journal"),
        journals.c.next_index == bindparam("old_next"),
        journals.c.first_index == bindparam("old_first"),
    )
)
"""Parameters: next index, last leaf, journal, next index as read, first index as read."""
ADD_RECORD = _text(insert(records))
"""Parameters: the columns in their order."""
ADD_SERIES = _text(
    insert(series)
    .values({name: bindparam(name) for name in ("organisation", "account", "method", "procedure", "outcome", "source")})
    .on_conflict_do_nothing()
)
"""Parameters: the fields of `Series` in their order."""
READ_SERIES = _text(
    select(series.c.id).where(
        series.c.organisation == bindparam("organisation"),
        series.c.account == bindparam("account"),
        series.c.method == bindparam("method"),
        series.c.procedure == bindparam("procedure"),
        series.c.outcome == bindparam("outcome"),
        series.c.source == bindparam("source"),
    )
)
"""Parameters: the fields of `Series` in their order."""
_counts = insert(hours)
ADD_COUNTS = _text(
    _counts.on_conflict_do_update(
        index_elements=[hours.c.hour, hours.c.series, hours.c.retired],
        set_={name: hours.c[name] + _counts.excluded[name] for name in ("calls", "citizens", "fields")},
    )
)
"""Parameters: the columns in their order."""
ADD_DOSSIER = _text(insert(dossiers).on_conflict_do_nothing())
"""Parameters: the columns in their order."""

RECORDS_BEFORE = _text(
    select(records).where(records.c.journal == bindparam("journal"), records.c.leaf_index < bindparam("before"))
)
"""Parameters: journal, index. The columns in their order."""
REMOVE_RECORDS = _text(
    delete(records).where(records.c.journal == bindparam("journal"), records.c.leaf_index < bindparam("before"))
)
"""Parameters: journal, index."""
MOVE_FIRST = _text(update(journals).values(first_index=bindparam("first")).where(journals.c.id == bindparam("journal")))
"""Parameters: index, journal."""
RESET = (
    _text(delete(records)),
    "DELETE FROM ledger_hours WHERE retired = 0",
    "DELETE FROM ledger_dossiers WHERE retired = 0",
    "UPDATE ledger_journals SET next_index = first_index, last_leaf = NULL",
)
