# `make help` lists the targets. PYTHON selects another Python, ARGS is passed to pytest.

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
# A Python named on the command line must be the one in .venv; the default keeps an existing one.
INSTALL := $(PYTHON) -m urfmp.embedded.install $(if $(filter file,$(origin PYTHON)),,--exact)
PRODUCTION := env DEBUG=False INSECURE_HTTP=False TRUST_PROXY=True ALLOWED_HOSTS=urfmp.example \
	WEB_ORIGIN=https://urfmp.example

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: demo test check bench proof manage env up down status reset lint format types schema lock clean \
	help install install-dev check-inside types-inside schema-inside

demo: install ## run the whole product with a demo fleet; Ctrl-C stops it (HOST=, PORT=)
	@$(EMBEDDED) demo --host $(HOST) $(if $(PORT),--port $(PORT))

test: install-dev ## run the test suite (ARGS="-k name", WORKERS=0 for one process)
	@$(EMBEDDED) run --browser -- python -m pytest -n $(WORKERS) $(ARGS)

check: install-dev ## run what CI runs: lint, format, types, settings, migrations, tests
	@$(EMBEDDED) run --browser -- $(MAKE) check-inside

bench: install-dev ## measure the product beside yardsticks (ONLY=name, ROWS=100000000, FRESH=1)
	@$(EMBEDDED) run -- python -m benchmarks $(if $(ONLY),--only $(ONLY)) \
		$(if $(ROWS),--rows $(ROWS)) $(if $(FRESH),--fresh)

proof: install-dev ## crash tests with more than 100 kills (KILLS=), long attacks, a planned year
	@$(EMBEDDED) run -- env URFMP_KILLS=$(KILLS) URFMP_ATTACK_SECONDS=60 \
		URFMP_COMMANDS=10000 URFMP_COMMAND_KILLS=30 \
		URFMP_ALERTS=1000 URFMP_SENDER_KILLS=50 \
		python -m pytest -n 0 -s tests/faults/test_crash.py tests/faults/test_command_crash.py \
		tests/faults/test_notification_crash.py \
		tests/faults/test_slow_clients.py $(ARGS)
	@$(EMBEDDED) run -- env SCHEDULE_DAYS=366 SCHEDULE_EXAMPLES=5000 \
		python -m pytest -n 0 tests/maintenance/test_schedules.py tests/maintenance/test_next_due.py

manage: install ## run a manage.py command, also beside the demo (ARGS="help")
	@$(EMBEDDED) run -- python manage.py $(ARGS)

env: install ## start PostgreSQL and Redis and print their addresses as KEY=value lines
	@$(EMBEDDED) env

up: install ## start PostgreSQL and Redis
	@$(EMBEDDED) up

down: install ## stop PostgreSQL and Redis, and a running demo
	@$(EMBEDDED) down

status: install ## show which services are running
	@$(EMBEDDED) status

reset: install ## stop both servers and delete this checkout's data
	@$(EMBEDDED) reset

lint: install-dev ## check the code with ruff
	$(VENV)/ruff check .

format: install-dev ## format the code and sort its imports with ruff
	$(VENV)/ruff format .
	$(VENV)/ruff check --select I --fix .

types: install-dev ## check types with mypy (its Django plugin needs the settings)
	@$(EMBEDDED) run -- $(MAKE) types-inside

schema: install ## write docs/schema.sql from the migrated database
	@$(EMBEDDED) run -- $(MAKE) schema-inside

# One version of each package for every Python: the tested versions are the installed ones.
lock: ## update both lock files from pyproject.toml (needs uv)
	$(UV) pip compile -q --universal --fork-strategy fewest --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.lock
	$(UV) pip compile -q --universal --fork-strategy fewest --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 pyproject.toml --group dev -c requirements.lock \
		-o requirements-dev.lock

clean: ## stop everything and remove the virtual environment and caches (keeps data)
	@if [ -x $(VENV)/python ]; then $(EMBEDDED) down; fi
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 14

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "urfmp: Python 3.11 or later is required: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(INSTALL) requirements.lock

install-dev: install
	@$(INSTALL) requirements-dev.lock

types-inside:
	$(VENV)/mypy .

schema-inside:
	@$(VENV)/python manage.py migrate --database owner --noinput --verbosity 0
	@$(VENV)/python manage.py dump_schema --output docs/schema.sql

check-inside:
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(MAKE) types-inside
	$(PRODUCTION) $(VENV)/python manage.py check --deploy --fail-level WARNING
	$(VENV)/python manage.py makemigrations --check --dry-run
	$(VENV)/python -m pytest --create-db --durations=20 -n $(WORKERS) $(ARGS)
