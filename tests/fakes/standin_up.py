"""`dancu up` with stand-ins: the real supervisor and the real Valkey, children that do nothing, a quick installer.

Called with the settings as JSON and a folder for what the children leave.
"""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.processes import plan, supervisor
from adapters.processes.children import ChildSpec
from adapters.processes.workspace import Workspace
from gateway.settings import Settings

_CHILD = Path(__file__).with_name("standin_child.py")


class Installer:
    """Makes a token, and fails where STANDIN_INSTALLER says how."""

    def ensure_mock_token(self, settings: Settings) -> Path:
        path = settings.data_dir / "mock-token"
        path.write_text("a-token-of-the-mock\n")
        return path

    def prepare(self, settings: Settings, *, grpc_target: str, admin_target: str) -> None:
        failure = os.environ.get("STANDIN_INSTALLER")
        if failure:
            # Long enough for a worker that does not wait to have left its trace.
            time.sleep(0.7)
            raise RuntimeError(failure)
        (settings.data_dir / "demo.env").write_text(f"DANCU_TARGET={grpc_target}\nDANCU_ADMIN_TARGET={admin_target}\n")


class Table:
    """The real table, with stand-ins for the children that are Python."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, settings: Settings, *, resolved: Settings, workspace: Workspace, valkey_binary: Path | None
    ) -> Sequence[ChildSpec]:
        real = plan.children_of(settings, resolved=resolved, workspace=workspace, valkey_binary=valkey_binary)
        return [self._stand_in(spec) if spec.probe is None else spec for spec in real]

    def _stand_in(self, spec: ChildSpec) -> ChildSpec:
        return dataclasses.replace(spec, argv=(sys.executable, "-P", str(_CHILD), spec.name, str(self._folder)))


if __name__ == "__main__":
    sys.exit(supervisor.up(Settings(**json.loads(sys.argv[1])), installer=Installer(), table=Table(Path(sys.argv[2]))))
