"""What every test stands on: a quiet grpc, whose C core would write into pytest's output."""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
