# Needs Python 3.11 or newer with its venv module, and make; everything else is installed into .venv.
PYTHON ?= python3
# Words after the command, as in: make run ARGS="--port 8001 --data .data2"
ARGS ?=
# Folder of another PostgreSQL's programs, and another redis-server, for the tests to run against.
POSTGRES ?=
REDIS ?=
# Tests at a time: one more than there are processors, for some wait for a server or a clock.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)' 2>/dev/null || echo 2)
BIN := .venv/bin
SOURCES := app worker migrations tests

.DEFAULT_GOAL := help
.PHONY: help install run test check openapi clients audit release proofs crash faults bench
# The recipes of one target stay in order even under `make -j`.
.NOTPARALLEL:

help: ## this list
	@echo "Mostrador. make run starts everything; make test proves it. All targets:"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS='|' read -r target what; do printf '%-15s %s\n' "  $$target" "$$what"; done

install: .venv/.project ## .venv with hash-pinned requirements and this project

.venv/.requirements: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed as '$(PYTHON)'; name another with: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "The venv module of $(PYTHON) is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv; the first time this downloads for a minute or two"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
	  --require-hashes --requirement requirements-dev.txt
	@touch $@

.venv/.project: .venv/.requirements pyproject.toml
	@echo "Installing this project into .venv"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet \
	  --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q app worker migrations
	@touch $@

run: install ## start everything: database, queue, mail sink, worker, monitor, API and the demo shop
	@exec $(BIN)/mostrador up $(ARGS)

test: install ## every test, in parallel
	@POSTGRES="$(POSTGRES)" REDIS="$(REDIS)" $(BIN)/pytest -n $(WORKERS) $(ARGS)

check: install ## what can be known without running: style, types, dependencies, layers, the API document
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/basedpyright
	$(BIN)/deptry .
	$(BIN)/lint-imports
	$(BIN)/python -m tests.schema_check

openapi: install ## write docs/openapi.json anew; refuses what breaks clients, unless BREAKING=yes
	@$(BIN)/python -m tests.schema_check --write $(if $(BREAKING),--breaking)

.tools/.installed: deploy/tools/requirements.txt
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --quiet \
	  --require-hashes --requirement $<
	@touch $@

clients: install .tools/.installed ## Python and TypeScript clients from docs/openapi.json, each tried by selling
	@.tools/bin/python -m clients

audit: .tools/.installed ## known holes of the pinned dependencies, and what the product is made of (build/sbom.json)
	@.tools/bin/python deploy/tools/audit.py

release: ## write down the commit beside the code, where it leaves its checkout
	@git diff --quiet HEAD || { echo "commit your changes first: a release is a commit" >&2; exit 1; }
	@git rev-parse HEAD > app/COMMIT

proofs: install ## the proofs at full size, one after the other, with their figures
	@$(BIN)/pytest -m proof -n0 -s $(ARGS)

crash: install ## kill every process under load and count what was lost
	@$(BIN)/python -m tests.crash $(ARGS)

faults: install ## stop, freeze, empty and kill every part in turn: who is told, and how soon
	@$(BIN)/python -m tests.faults $(ARGS)

bench: install ## measure speed against the bare database; nothing else should run meanwhile
	@$(BIN)/python -m tests.bench $(ARGS)
