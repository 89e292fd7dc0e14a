"""What can go wrong with a journal.

```
gateway.ports.JournalUnavailableError   durability cannot be shown now; a retry may succeed
JournalError
├── JournalLockedError        another process writes this journal
├── JournalDamagedError       acknowledged bytes are missing or changed: a person must look
└── RecordTooLargeError       one record is over the format's limit; the others are unaffected
```
"""

from __future__ import annotations


class JournalError(Exception):
    """A failure of the evidence journal that waiting does not cure."""


class JournalLockedError(JournalError):
    """Another process has this journal open for writing; the message names the directory."""


class JournalDamagedError(JournalError):
    """Bytes that were once durable are missing or changed.

    Raised instead of repairing: going on would use an index twice, and hide what happened.
    """


class RecordTooLargeError(JournalError, ValueError):
    """A stored record would be over `MAX_RECORD_BYTES`."""
