# What to run: `make help`. PYTHON chooses another Python, ARGS passes arguments to pytest.

PYTHON ?= python3
UV ?= uv
HOST ?= 127.0.0.1
PORT ?=
WORKERS ?= 2
ARGS ?=
ONLY ?=
ROWS ?=
FRESH ?=
KILLS ?= 120

VENV := .venv/bin
EMBEDDED := $(VENV)/python -m urfmp.embedded
# A Python that was named has to be the one in .venv; the default makes one only where there is none.
INSTALL := $(PYTHON) -m urfmp.embedded.install $(if $(filter file,$(origin PYTHON)),,--exact)
PRODUCTION := env DEBUG=False INSECURE_HTTP=False TRUST_PROXY=True ALLOWED_HOSTS=urfmp.example \
	WEB_ORIGIN=https://urfmp.example LIVE_ORIGIN=https://urfmp.example

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: demo test check bench proof manage env up down status reset lint format types lock clean help \
	install install-dev check-inside types-inside

demo: install ## run the whole product with a demo fleet; Ctrl-C stops it (HOST=, PORT=)
	@$(EMBEDDED) demo --host $(HOST) $(if $(PORT),--port $(PORT))

test: install-dev ## run the test suite (ARGS="-k name", WORKERS=0 for one process)
	@$(EMBEDDED) run --browser -- python -m pytest -n $(WORKERS) $(ARGS)

check: install-dev ## everything that CI runs: lint, format, types, settings, migrations, tests
	@$(EMBEDDED) run --browser -- $(MAKE) check-inside

bench: install-dev ## measure beside yardsticks (ONLY=name, ROWS=100000000, FRESH=1)
	@$(EMBEDDED) run -- python -m benchmarks $(if $(ONLY),--only $(ONLY)) \
		$(if $(ROWS),--rows $(ROWS)) $(if $(FRESH),--fresh)

proof: install-dev ## the long form of every proof: over 100 kills (KILLS=)
	@$(EMBEDDED) run -- env URFMP_KILLS=$(KILLS) python -m pytest -n 0 -s tests/faults/test_crash.py $(ARGS)

manage: install ## a command of manage.py, beside the demo too (ARGS="help")
	@$(EMBEDDED) run -- python manage.py $(ARGS)

env: install ## start PostgreSQL and Redis, print their addresses as KEY=value lines
	@$(EMBEDDED) env

up: install ## start PostgreSQL and Redis
	@$(EMBEDDED) up

down: install ## stop PostgreSQL and Redis, and a running demo
	@$(EMBEDDED) down

status: install ## say what runs
	@$(EMBEDDED) status

reset: install ## stop them and delete this checkout's data
	@$(EMBEDDED) reset

lint: install-dev ## ruff's rules
	$(VENV)/ruff check .

format: install-dev ## put the code into ruff's format
	$(VENV)/ruff format .
	$(VENV)/ruff check --select I --fix .

types: install-dev ## mypy (its Django plugin reads the settings, which want the addresses)
	@$(EMBEDDED) run -- $(MAKE) types-inside

# One version of everything for every Python: what is tested is what runs.
lock: ## write both lock files anew from pyproject.toml (needs uv)
	$(UV) pip compile -q --universal --fork-strategy fewest --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.lock
	$(UV) pip compile -q --universal --fork-strategy fewest --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 pyproject.toml --group dev -c requirements.lock \
		-o requirements-dev.lock

clean: ## stop everything, remove the virtual environment and the tools' caches (data stays)
	@if [ -x $(VENV)/python ]; then $(EMBEDDED) down; fi
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 14

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "urfmp: Python 3.11 or later is needed; name one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(INSTALL) requirements.lock

install-dev: install
	@$(INSTALL) requirements-dev.lock

types-inside:
	$(VENV)/mypy .

check-inside:
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(MAKE) types-inside
	$(PRODUCTION) $(VENV)/python manage.py check --deploy --fail-level WARNING
	$(VENV)/python manage.py makemigrations --check --dry-run
	$(VENV)/python -m pytest --create-db -n $(WORKERS) $(ARGS)
