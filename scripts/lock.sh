#!/bin/sh
# Resolves the dependencies of pyproject.toml anew: names, versions and hashes, for every platform, without addresses.
# Needs uv on the PATH (pip install uv).
set -eu
cd "$(dirname "$0")/.."
options="--quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11"
uv pip compile $options pyproject.toml --group build -o requirements.lock "$@"
uv pip compile $options pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock "$@"
