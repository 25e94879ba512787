# The menu. `make quickstart` and `make test` set up everything they need on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup quickstart test check test-all bench docs notebooks lock clean

help:  ## Show this menu
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Every package comes from the lock with its hash; darkroom itself is installed in place.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "darkroom needs Python 3.11, 3.12 or 3.13; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

setup: $(READY)  ## Make .venv from the lock

quickstart: $(READY)  ## The whole chain on a built-in data set
	$(BIN)/darkroom quickstart

# A test that ends its process ends the run: replacing a worker can hang pytest-xdist 3.8.
test: $(READY)  ## The default tests: no GPU, network or Java, a few minutes
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0 \
	  -m "not slow and not browser and not gpu and not spark" \
	  --cov --cov-report=term:skip-covered --cov-fail-under=90

check: $(READY)  ## Format, lint, types, import contracts, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

test-all: $(READY)  ## Everything this machine can run, slow suites and notebooks included
	$(BIN)/python -m pytest -m "not gpu and not spark"

bench: $(READY)  ## Every figure we claim, measured here; results in benchmarks/results
	$(BIN)/python -m benchmarks.run_all

docs: $(READY)  ## Build the documentation
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

notebooks: $(READY)  ## Execute the notebooks, and write them with their outputs to docs/_build
	DARKROOM_NOTEBOOKS=$(CURDIR)/docs/_build/notebooks $(BIN)/python -m pytest -m slow tests/journeys/test_notebooks.py

lock: $(READY)  ## Resolve the requirements again, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-strip-extras --extra serve pyproject.toml -o requirements/core.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-strip-extras --extra dev pyproject.toml -o requirements/dev.txt

clean:  ## Remove what was built; your workspace stays
	rm -rf $(VENV) docs/_build .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
