# The gateway to the national population database. `make` alone prints this list.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many tests wait for clocks and processes: three test processes keep two cores busy. 0 runs all in one.
TEST_PROCESSES ?= 3
.DEFAULT_GOAL := help

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Install everything that `make run` needs into .venv
	@true

run: setup ## Start the whole gateway on this machine, with the mock national database
	@exec $(BIN)/dancu up $(ARGS)

test: $(VENV)/.ready-dev ## Run the tests
	@$(BIN)/python -m pytest -m "not hammer" -n $(TEST_PROCESSES) --dist loadfile $(ARGS)

hammer: $(VENV)/.ready-dev ## Run the long fault tests (SIGKILL by the hundred)
	@$(BIN)/python -m pytest -m hammer --timeout 3600 $(ARGS)

bench: $(VENV)/.ready-dev ## Measure the bars of the design (a quarter of an hour; ARGS=--quick: two minutes)
	@$(BIN)/python -m bench $(ARGS)

check: $(VENV)/.ready-dev ## Lint, types, protos: what CI checks beside the tests
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy gateway adapters mock_national_db proto/dancu scripts tests bench
	@cd proto && ../$(BIN)/buf lint
	@$(BIN)/python scripts/protos.py --check

format: $(VENV)/.ready-dev ## Format the code
	@$(BIN)/ruff check --fix-only && $(BIN)/ruff format

protos: $(VENV)/.ready-dev ## Generate the protobuf stubs anew
	@$(BIN)/python scripts/protos.py

lock: ## Resolve the dependencies anew (needs uv)
	@scripts/lock.sh

clean: ## Remove .venv and caches; data stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is needed (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what the gateway needs (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo "installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help setup run test hammer bench check format protos lock clean
