"""Generates the protobuf stubs beside their .proto files, or checks that they are current (`--check`)."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"


def generate(out: Path) -> list[Path]:
    """Write the stubs of every .proto below `proto/` into `out`; returns their paths relative to it."""
    site = Path(sysconfig.get_paths()["purelib"])
    sources = sorted(PROTO.glob("dancu/**/*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={site}",  # google/rpc from googleapis-common-protos
        f"--proto_path={site / 'grpc_tools' / '_proto'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *[str(source) for source in sources],
    ]
    # protoc finds its plugins on PATH; they are installed beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused; its message stands above")
    folders = {parent for source in sources for parent in source.relative_to(PROTO).parents if parent.parts}
    for folder in folders:
        (out / folder / "__init__.py").touch()
    for stub in out.glob("dancu/**/*_pb2_grpc.py"):
        if "Servicer" not in stub.read_text():  # a file of messages alone has no service to call
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    return sorted(path.relative_to(out) for path in out.glob("dancu/**/*_pb2.py*"))


def main() -> int:
    """Generate in place, or with `--check` compare; returns the exit code."""
    if sys.argv[1:] != ["--check"]:
        generate(PROTO)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        shutil.copytree(PROTO, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*_pb2*", "__pycache__"))
        stale = [p for p in generate(fresh) if not (PROTO / p).exists() or not filecmp.cmp(fresh / p, PROTO / p, False)]
        left = [
            p.relative_to(PROTO)
            for p in PROTO.glob("dancu/**/*_pb2.py*")
            if not (fresh / p.relative_to(PROTO)).exists()
        ]
    for path in [*stale, *left]:
        sys.stderr.write(f"not current: proto/{path}; run `make protos`\n")
    return 1 if stale or left else 0


if __name__ == "__main__":
    sys.exit(main())
