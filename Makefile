# Needs make and Python 3.11 to 3.14, nothing else. `make PYTHON=/path/to/python3.12 …` chooses the interpreter.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

OLDEST := 3, 11
BEYOND := 3, 15
FITS := import sys; sys.exit(not ($(OLDEST)) <= sys.version_info[:2] < ($(BEYOND)))
# The first interpreter that fits; a name that does not exist falls through to the message in `python`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c '$(FITS)' >/dev/null 2>&1 && { echo "$$p"; exit; }; done; echo python3)
PIP := -m pip --disable-pip-version-check --quiet
LOCKED := --only-binary :all: --require-hashes
ARGS ?=
MINUTES ?= 10

.PHONY: help python demo check test bench soak lock clean

help:
	@echo "make demo    sets up, plays a clinic day against the stub, says what became of it (ARGS='--seed 7')"
	@echo "make check   lint, types, unit tests, cases, rules; under three minutes"
	@echo "make test    everything, against the built wheel in a clean environment"
	@echo "make bench   prints the figures"
	@echo "make soak    property tests, kills and power cuts with fresh seeds for MINUTES=$(MINUTES)"
	@echo "make lock    resolves requirements.lock again (ARGS=--upgrade takes newer versions)"
	@echo "make clean   removes environments, builds and caches"

python:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "make: '$(PYTHON)' is not on the path. Install Python 3.11 to 3.14, or name one: make PYTHON=python3.12" >&2; \
	  exit 2; }
	@"$(PYTHON)" -c '$(FITS)' || { \
	  echo "make: '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1); needed is Python 3.11 to 3.14." >&2; \
	  echo "      Name another: make PYTHON=python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
	  echo "make: '$(PYTHON)' cannot make virtual environments (venv or ensurepip is missing)." >&2; \
	  echo "      On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

# The stamps stand last, so that an interrupted installation is done again.
.venv/.installed: requirements.lock pyproject.toml | python
	@echo "setting up .venv (all of the lock)"
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python $(PIP) install $(LOCKED) -r requirements.lock
	@.venv/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# For running only: the runtime part of the lock and what building needs; no test tools.
.venv-demo/.installed: requirements.lock pyproject.toml | python
	@echo "setting up .venv-demo (the runtime part of the lock)"
	@"$(PYTHON)" -m venv .venv-demo
	@sed '/^# == tests and tools ==/,$$d' requirements.lock > .venv-demo/requirements.lock
	@.venv-demo/bin/python $(PIP) install $(LOCKED) -r .venv-demo/requirements.lock
	@.venv-demo/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv-demo/.installed
	@.venv-demo/bin/oncoclaims demo $(ARGS)

check: .venv/.installed
	@.venv/bin/python .ci/suite.py check

test: .venv/.installed
	@.venv/bin/python .ci/suite.py test

soak: .venv/.installed
	@.venv/bin/python .ci/suite.py soak --minutes $(MINUTES)

bench: .venv/.installed
	@set -e; for script in bench/*.py; do \
	  [ -f "$$script" ] || { echo "make bench: there is no bench/*.py" >&2; exit 2; }; \
	  case "$$script" in bench/_*) continue;; esac; \
	  echo "== $$script"; .venv/bin/python "$$script" $(ARGS); done

lock: python
	@"$(PYTHON)" .ci/lock $(ARGS)

clean:
	@rm -rf .venv .venv-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
