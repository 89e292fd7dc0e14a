"""Run-time changes in one SQLite file: who differs from the invented nation, the feed, and answers already given.

Owns tables and transactions. Refuses to know what a change means. A committed change survives the death of the
process (the write-ahead log is not synced for each one, so a power cut may take the last of them: this is a mock).
"""

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

FILE_NAME: Final = "changes.sqlite3"
FEED_LIMIT: Final = 1_000_000
"""Changes kept for followers."""
_TRIM_EVERY: Final = 1000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    person INTEGER PRIMARY KEY, block INTEGER NOT NULL, newborn_number TEXT UNIQUE, state BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS people_by_block ON people (block);
CREATE TABLE IF NOT EXISTS households (
    household INTEGER PRIMARY KEY, block INTEGER NOT NULL, address BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS households_by_block ON households (block);
CREATE TABLE IF NOT EXISTS links (
    block INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (block, other)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL, number TEXT NOT NULL,
    version INTEGER NOT NULL, kind TEXT NOT NULL, withdrawn INTEGER NOT NULL, moment TEXT NOT NULL,
    fields BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_by_person ON changes (person, version);
CREATE TABLE IF NOT EXISTS submissions (
    key TEXT PRIMARY KEY, substance BLOB NOT NULL, answer BLOB NOT NULL
) WITHOUT ROWID;
"""

State = dict[str, Any]
"""What differs of one person; the keys are `live`'s."""


class StoreError(ValueError):
    """The file cannot be used; the message is for the operator."""


class Entry(NamedTuple):
    """One change of one record, as the feed tells it."""

    person: int
    number: str
    version: int
    kind: str
    withdrawn: bool
    moment: str
    """yyyyMMddHHmmss in Vietnam time."""
    fields: tuple[str, ...]
    """Wire fields that changed."""


class Page(NamedTuple):
    """Part of the feed."""

    entries: list[Entry]
    position: int
    """Of the last entry; where it is empty, the position asked from."""
    more: bool


class BlockState(NamedTuple):
    """Everything that differs in one block."""

    people: dict[int, State]
    households: dict[int, list[str]]
    """Key → address, for households that moved or were founded at run time."""


class PersonRow(NamedTuple):
    """One person as they now differ."""

    person: int
    block: int
    newborn_number: str | None
    state: State


class HouseholdRow(NamedTuple):
    """One household that moved or was founded."""

    household: int
    block: int
    address: list[str]


@dataclass(slots=True)
class Write:
    """What one submission writes, all of it or nothing."""

    people: list[PersonRow] = field(default_factory=list)
    households: list[HouseholdRow] = field(default_factory=list)
    links: set[tuple[int, int]] = field(default_factory=set)
    counters: dict[str, int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


class Store:
    """The file, open in this process alone; or memory, when there is no folder."""

    def __init__(self, *, data_dir: Path | None, nation: Mapping[str, str], feed_limit: int = FEED_LIMIT) -> None:
        """Open or create. `nation` tells which nation the changes belong to.

        Raises StoreError when the file is in use, unusable, or of another nation.
        """
        self._feed_limit = feed_limit
        self._trim_every = min(_TRIM_EVERY, feed_limit)
        place: str | Path = ":memory:"
        try:
            if data_dir is not None:
                data_dir.mkdir(parents=True, exist_ok=True)
                place = data_dir / FILE_NAME
            self._db = sqlite3.connect(place, isolation_level=None, timeout=0.2)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot keep changes in {data_dir}: {error}") from None
        try:
            self._open(nation, data_dir)
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(f"cannot keep changes in {data_dir}: {error}") from None
        except StoreError:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def blocks(self) -> set[int]:
        """Return every block in which something differs."""
        rows = self._db.execute("SELECT block FROM people UNION SELECT block FROM households")
        return {block for (block,) in rows}

    def block(self, block: int) -> BlockState:
        """Return what differs in one block."""
        people = self._db.execute("SELECT person, state FROM people WHERE block = ? ORDER BY person", (block,))
        households = self._db.execute("SELECT household, address FROM households WHERE block = ?", (block,))
        return BlockState(
            {person: orjson.loads(state) for person, state in people},
            {household: orjson.loads(address) for household, address in households},
        )

    def linked(self, block: int) -> list[int]:
        """Return the blocks whose people are tied to those of `block` by marriages and births at run time."""
        return [other for (other,) in self._db.execute("SELECT other FROM links WHERE block = ?", (block,))]

    def newborn(self, number: str) -> int | None:
        """Return the person born at run time who holds `number`."""
        row = self._db.execute("SELECT person FROM people WHERE newborn_number = ?", (number,)).fetchone()
        return None if row is None else int(row[0])

    def next_of(self, counter: str) -> int:
        """Return the counter's next value, from 0; a `Write` moves it on."""
        row = self._db.execute("SELECT next FROM counters WHERE name = ?", (counter,)).fetchone()
        return 0 if row is None else int(row[0])

    def answered(self, key: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return the substance and the answer of an earlier submission with this key."""
        row = self._db.execute("SELECT substance, answer FROM submissions WHERE key = ?", (key,)).fetchone()
        return None if row is None else (row[0], orjson.loads(row[1]))

    def changed_since(self, person: int, version: int, now: int) -> tuple[str, ...] | None:
        """Return the fields that changed from `version` to `now`; None where the feed no longer knows."""
        rows = self._db.execute(
            "SELECT fields FROM changes WHERE person = ? AND version > ? AND version <= ?", (person, version, now)
        ).fetchall()
        if not rows or len(rows) != now - version:
            return None
        return tuple(dict.fromkeys(field for (fields,) in rows for field in orjson.loads(fields)))

    def last_change(self, person: int, field: str) -> str | None:
        """Return the moment at which the field of the person's record last changed, as far as the feed knows."""
        row = self._db.execute(
            "SELECT moment FROM changes, json_each(CAST(fields AS TEXT)) WHERE person = ? AND json_each.value = ?"
            " ORDER BY version DESC LIMIT 1",
            (person, field),
        ).fetchone()
        return None if row is None else str(row[0])

    def commit(self, write: Write, *, key: str, substance: bytes, answer: Mapping[str, Any]) -> None:
        """Write everything in one transaction; on an error nothing of it is there.

        Raises sqlite3.Error.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._write(write)
            self._db.execute(
                "INSERT INTO submissions (key, substance, answer) VALUES (?, ?, ?)",
                (key, substance, orjson.dumps(answer)),
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def page(self, after: int, limit: int) -> Page:
        """Return at most `limit` changes after a position."""
        rows = self._db.execute(
            "SELECT position, person, number, version, kind, withdrawn, moment, fields FROM changes"
            " WHERE position > ? ORDER BY position LIMIT ?",
            (after, limit + 1),
        ).fetchall()
        kept = rows[:limit]
        entries = [
            Entry(person, number, version, kind, bool(withdrawn), moment, tuple(orjson.loads(fields)))
            for _, person, number, version, kind, withdrawn, moment, fields in kept
        ]
        return Page(entries, kept[-1][0] if kept else after, more=len(rows) > limit)

    def bounds(self) -> tuple[int, int]:
        """Return the earliest position from which the feed is whole, and the latest."""
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
        first = self._db.execute("SELECT min(position) FROM changes").fetchone()
        latest = 0 if last is None else int(last[0])
        return (latest if first[0] is None else int(first[0]) - 1), latest

    def feed_id(self) -> str:
        """Return what tells this feed from every other: 16 hexadecimal digits."""
        row = self._db.execute("SELECT value FROM meta WHERE name = 'feed'").fetchone()
        return str(row[0])

    def _open(self, nation: Mapping[str, str], data_dir: Path | None) -> None:
        db = self._db
        # Held from the first write to the end, so that two processes cannot answer from one file.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        db.execute("BEGIN IMMEDIATE")
        fresh = {**nation, "feed": secrets.token_hex(8)}
        db.executemany("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", fresh.items())
        db.execute("COMMIT")
        held = dict(db.execute("SELECT name, value FROM meta"))
        for name, value in nation.items():
            if held[name] != value:
                raise StoreError(
                    f"the changes in {data_dir} belong to another nation ({name} {held[name]}, not {value})"
                )

    def _write(self, write: Write) -> None:
        db = self._db
        db.executemany(
            "INSERT INTO people (person, block, newborn_number, state) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (person) DO UPDATE SET state = excluded.state",
            [(*row[:-1], orjson.dumps(row.state)) for row in write.people],
        )
        db.executemany(
            "INSERT OR REPLACE INTO households (household, block, address) VALUES (?, ?, ?)",
            [(*row[:-1], orjson.dumps(row.address)) for row in write.households],
        )
        db.executemany("INSERT OR IGNORE INTO links (block, other) VALUES (?, ?)", sorted(write.links))
        db.executemany("INSERT OR REPLACE INTO counters (name, next) VALUES (?, ?)", write.counters.items())
        for entry in write.entries:
            position = db.execute(
                "INSERT INTO changes (person, number, version, kind, withdrawn, moment, fields)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*entry[:-1], orjson.dumps(entry.fields)),
            ).lastrowid
            if position is not None and position % self._trim_every == 0:
                db.execute("DELETE FROM changes WHERE position <= ?", (position - self._feed_limit,))
