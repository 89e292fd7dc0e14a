"""Where an installation keeps its evidence, for commands that read the files themselves."""

from __future__ import annotations

import os
from pathlib import Path

from dancu.cli.gateway import DEFAULT_DATA_DIR


def installation(data_dir: Path | None) -> Path:
    """The data directory that is meant: the one named, else $DANCU_DATA_DIR, else `data`."""
    return data_dir or Path(os.environ.get("DANCU_DATA_DIR") or DEFAULT_DATA_DIR)


def journals_of(data_dir: Path) -> Path:
    """The folder of the journals."""
    return data_dir / "journal"


def ledger_of(data_dir: Path) -> Path:
    """The file of the embedded ledger."""
    return data_dir / "ledger.sqlite"


def public_keys_of(data_dir: Path) -> Path:
    """The folder with the public keys of checkpoints."""
    # Brings the settings along, which take a third of a second to import.
    from adapters.ledger.keys import verifier_keys_folder

    return verifier_keys_folder(data_dir)
