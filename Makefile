# Set-up, tests and checks. Needs Python 3.11 or later, and GNU make; `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Settings, for example `make test PYTHON=python3.12 VENV=.venv312 TEST_JOBS=0`.
PYTHON ?= python3
VENV ?= .venv
# Test processes side by side; 0 runs the tests in one process and shows what they print.
TEST_JOBS ?= 2
# Seconds that `make fuzz` gives each format, and modules for `make mutants`: all if none.
FUZZ_SECONDS ?= 600
MUTANTS ?=
# More arguments for pytest, for example `make test TESTS='tests/storage -x'`.
TESTS ?=

BIN := $(VENV)/bin
DIST := build/dist
# The environment holds the setuptools that constraints.txt names, so no build downloads its own.
# Setuptools' warning, that a directory `mr` where python starts comes first, is as it should be.
INSTALL := PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet \
	--disable-pip-version-check --constraint constraints.txt --no-build-isolation
PYTEST := $(BIN)/pytest -n $(TEST_JOBS)

.PHONY: help
help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

.PHONY: demo
demo: $(VENV)/.installed-demo  ## Set up, then train on iris and on a million rows while a worker is killed
	$(BIN)/mr demo

.PHONY: test
test: $(VENV)/.installed-test  ## Set up, then run the whole test suite
	$(PYTEST) $(TESTS)

.PHONY: test-fast
test-fast: $(VENV)/.installed-test  ## The tests that are not marked slow: under a minute
	$(PYTEST) -m "not slow" $(TESTS)

.PHONY: reliability
reliability: $(VENV)/.installed-test  ## Faults, kills, damage, fuzzing, soak; SIZE=release takes hours
	@report=$$(mktemp); trap 'rm -f "$$report"' EXIT; status=0; \
	GRADFOLD_RELIABILITY=$$report $(PYTEST) -q tests/reliability $(TESTS) || status=$$?; \
	$(BIN)/python tests/reliability_summary.py "$$report"; exit $$status

.PHONY: fuzz
fuzz: $(VENV)/.installed-test  ## Fuzz each reader by coverage for FUZZ_SECONDS (600)
	GRADFOLD_FUZZ_SECONDS=$(FUZZ_SECONDS) SIZE=release $(PYTEST) tests/reliability/test_parsers.py -k fuzzing

.PHONY: mutants
mutants: $(VENV)/.installed-test  ## Change the scheduler's code and see which tests notice: hours
	$(BIN)/python benchmarks/mutants.py $(MUTANTS)

.PHONY: check
check: lint types imports package  ## All that CI checks besides the tests

.PHONY: lint
lint: $(VENV)/.installed-dev  ## Style: ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed-dev  ## Types: mypy, strict
	$(BIN)/mypy -p mr

.PHONY: imports
imports: $(VENV)/.installed-dev  ## Layers: import-linter
	$(BIN)/lint-imports --no-cache

.PHONY: package
package: $(VENV)/.installed-dev  ## Build sdist and wheel; install the wheel into an empty environment
	rm -rf build && mkdir build
	$(BIN)/python -m build --no-isolation --outdir $(DIST) . >build/log 2>&1 \
		|| { cat build/log >&2; exit 1; }
	tests/packaging/check_wheel.sh $(BIN)/python $(DIST)

.PHONY: format
format: $(VENV)/.installed-dev  ## Format the code and apply ruff's safe fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: clean
clean:  ## Remove the environment and all that was built
	test ! -e $(VENV)/pyvenv.cfg || rm -rf $(VENV)
	rm -rf build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.*' -prune -exec rm -rf {} +

# What is installed: a file for each set, older than nothing that decides what it holds.

$(VENV)/.installed-pip: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "gradfold needs Python 3.11 or later, and '$(PYTHON)' is not: name one," \
			"as in: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV): the first time takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt pip setuptools
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.installed-pip pyproject.toml
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-pip pyproject.toml
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-pip pyproject.toml
	$(INSTALL) --editable '.[test,dev]'
	@touch $@
