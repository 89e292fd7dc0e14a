"""The evidence journal as files: written by workers, read and proved by the control process."""

from adapters.journal.errors import (
    JournalDamagedError,
    JournalError,
    JournalLockedError,
    RecordTooLargeError,
)
from adapters.journal.recovery import Recovery
from adapters.journal.writer import FileJournal
from gateway.ports import JournalUnavailableError

__all__ = [
    "FileJournal",
    "JournalDamagedError",
    "JournalError",
    "JournalLockedError",
    "JournalUnavailableError",
    "RecordTooLargeError",
    "Recovery",
]
