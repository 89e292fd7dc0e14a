"""The tables of the ledger, beside those of the accounts and with a life of their own: they can be made anew.

One transaction moves a journal's cursor, adds the records up to it and counts them, so the three never disagree. Counts
carry `retired`: 0 for what can be counted again from the journals, 1 for records that retention has taken out of them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

journals = Table(
    "ledger_journals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", String(63), nullable=False, unique=True),
    Column("first_index", BigInteger, nullable=False),  # records before it are retired
    Column("next_index", BigInteger, nullable=False),  # the next record to be ingested
    Column("last_leaf", LargeBinary(32)),  # leaf hash of the record before that; null where there is none
)

records = Table(
    "ledger_records",
    metadata,
    Column("journal", Integer, primary_key=True),
    Column("leaf_index", BigInteger, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),  # nanoseconds since the epoch
    Column("organisation", String(32), nullable=False),
    Column("account", String(100), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("procedure", String(32), nullable=False),
    Column("dossier", String(64), nullable=False),
    Column("method", String(100), nullable=False),
    # Indexes over random values cost a page write for each record; their keys are cut to 4 bytes so that as many
    # entries as possible share a page. The full value decides, so that keys that meet by chance mix nothing up.
    Column("subject_key", Integer),  # first 4 bytes of subject_token
    Column("subject_token", LargeBinary(32)),
    Column("request_key", Integer, nullable=False),  # a hash of request_id
    Column("request_id", String(64), nullable=False),
    Column("outcome", Integer, nullable=False),  # dancu.errors.v1.ErrorReason; 0 is answered
    Column("source", Integer, nullable=False),  # dancu.common.v1.Provenance.Source
    Column("calls", BigInteger, nullable=False),  # how many the record stands for; 0 for a further citizen of a call
    Column("fields", Integer, nullable=False),  # how many were disclosed
    Column("record", LargeBinary, nullable=False),  # the stored bytes
)
Index("ledger_records_by_time", records.c.time_ns)
Index("ledger_records_by_account", records.c.account, records.c.time_ns)
Index(
    "ledger_records_by_subject",
    records.c.subject_key,
    records.c.time_ns,
    sqlite_where=records.c.subject_key.is_not(None),
    postgresql_where=records.c.subject_key.is_not(None),
)
Index("ledger_records_by_request", records.c.request_key)

series = Table(
    "ledger_series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("organisation", String(32), nullable=False),
    Column("account", String(100), nullable=False),
    Column("method", String(100), nullable=False),
    Column("procedure", String(32), nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    UniqueConstraint("account", "method", "procedure", "outcome", "source", "organisation"),
)

hours = Table(
    "ledger_hours",
    metadata,
    Column("hour", Integer, primary_key=True),  # whole hours since the epoch, UTC
    Column("series", ForeignKey("ledger_series.id"), primary_key=True),
    Column("retired", Integer, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("citizens", BigInteger, nullable=False),
    Column("fields", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One row for each dossier of an hour: sums cannot tell how many different ones there are.
dossiers = Table(
    "ledger_dossiers",
    metadata,
    Column("hour", Integer, primary_key=True),
    Column("series", ForeignKey("ledger_series.id"), primary_key=True),
    Column("retired", Integer, primary_key=True),
    Column("dossier", String(64), primary_key=True),
    sqlite_with_rowid=False,
)

LEDGER_TABLES = (journals, records, series, hours, dossiers)
