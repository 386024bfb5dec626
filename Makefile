# advolink. `make` alone says what can be done here.
#
# make setup PYTHON=/path/to/python3   chooses the Python of a new .venv (else tools/find-python does)
# make chaos MINUTES=30 SEED=7 LOG=kafka FAULTS=15 WORKERS=2   docs/chaos.md explains them; without them: 5, 1, kafka, 0, 1
# make load MINUTES=10 WORKERS=2       likewise; needs wrk, and up to 60 MB of disk a second
# make test ARGS='-k journal'          tests run in several processes; with ARGS='-n 0' in one, as a debugger (--pdb) needs it
# make run ARGS='--workers 1'          ARGS reaches the command behind run, run-kafka, test, test-long, test-all, bench and lock

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CACHES := .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
PYTHON ?=
ARGS ?=
MINUTES ?= 5
SEED ?= 1
LOG ?= kafka
FAULTS ?= 0
WORKERS ?= 1

# Processes that tests run in (pytest-xdist), each with servers of its own: one more than continuous integration has cores,
# for many tests wait for something. The tests of a file stay together, as they may share a database, and files go in their
# order: the slow ones come first, the thousands of short ones last, so that all end at about the same time.
TEST_PROCESSES := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run run-kafka test test-long test-all chaos load check docs bench lock clean

help: ## say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv/ and install what requirements.lock names (needs Python 3.11 or newer)

# A .venv without a working pip was left half-made, or its Python is gone: it is made again.
$(READY): requirements.lock pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		python=$$(sh tools/find-python $(PYTHON)) && "$$python" -m venv --clear $(VENV); }
	@echo "Installing what requirements.lock names into $(VENV)/ (the first time takes a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## start everything on this machine: Postgres, redirector, aggregator
	@exec $(BIN)/advolink up $(ARGS)

run-kafka: setup ## the same, with events through an Apache Kafka on this machine (needs Java 17 and Maven)
	@exec $(BIN)/advolink up --log kafka $(ARGS)

test: setup ## run the tests (all but the long ones)
	@$(BIN)/pytest -m "not long" $(TEST_PROCESSES) $(ARGS)

# pytest exits 5 where it collected nothing. That is no failure as long as no test is long, and one if ARGS chose wrongly.
# One at a time: most put a whole stack under load, and what they find (or must find: test_guards) hangs on its pace.
test-long: setup ## run the long tests
	@$(BIN)/pytest -m long $(ARGS); status=$$?; \
	if [ $$status -eq 5 ] && $(if $(strip $(ARGS)),false,true); then \
		echo "No test is marked long: nothing was run."; \
	else exit $$status; fi

test-all: test test-long ## run every test

check: setup ## check style, types, imports and layout
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit/test_layout.py

docs: setup ## bring schemas/openapi/, the tables of docs/operations.md and track.min.js up to the code
	@PYTHONPATH=tests $(BIN)/python -m stage.generated
	@$(BIN)/python tools/build-track-js

load: setup ## put a whole stack on Kafka under full load for MINUTES, its broker killed again and again, WORKERS of the redirector
	@PYTHONPATH=tests $(BIN)/python -m stage.full_load --minutes $(MINUTES) --workers $(WORKERS)

bench: setup ## measure, and print ratios
	@PYTHONPATH=tests $(BIN)/python bench/run.py $(ARGS)

chaos: setup ## throw faults at a whole stack under load for MINUTES, with SEED, on LOG=postgres|kafka, FAULTS felt of each kind, WORKERS of the redirector
	@PYTHONPATH=tests $(BIN)/python -m stage.chaos --minutes $(MINUTES) --seed $(SEED) --log $(LOG) --faults $(FAULTS) \
		--workers $(WORKERS)

lock: setup ## bring requirements.lock up to pyproject.toml (ARGS=--upgrade takes newer versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
		--no-annotate --no-header --no-emit-index-url -o requirements.lock $(ARGS) pyproject.toml

clean: ## remove .venv/ and caches, never the data in .advolink/
	rm -rf $(VENV) $(CACHES)
	find bench services tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept .advolink/, the data of make run. Remove it yourself to start anew."
