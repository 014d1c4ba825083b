from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from tests.support.conformance import conformance_errors

ROOT = Path(settings.BASE_DIR)
# In reverse order: a migration must be undone before those that it needs.
OUR_APPS = [
    config.label
    for config in reversed([*apps.get_app_configs()])
    if config.name.startswith("apps.")
]

_LEFT = """
    SELECT c.relkind::text || ' ' || c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
      AND c.relname !~ '^(django|auth|procrastinate)_' AND c.relkind NOT IN ('i', 'S')
    UNION ALL
    SELECT 'f ' || p.proname FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname !~ '^procrastinate_'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


@pytest.mark.django_db
def test_makemigrations_finds_no_changes():
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_migrations_are_named_and_numbered():
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for label, name in loader.disk_migrations:
        if label in OUR_APPS or label == "urfmp_db":
            assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*", name)
            assert "_auto_" not in name


def _scripts() -> list[Path]:
    folders = [*ROOT.glob("apps/*/sql"), ROOT / "urfmp/db/sql"]
    return [path for folder in folders for path in sorted(folder.glob("*.sql"))]


def test_scripts_have_reverse_scripts():
    names = {path for path in _scripts() if re.match(r"\d{4}_", path.name)}
    assert names
    for path in names:
        if path.name.endswith(".reverse.sql"):
            other = path.with_name(path.name.replace(".reverse.sql", ".sql"))
        else:
            other = path.with_suffix(".reverse.sql")
        assert other in names
        assert path.read_text(encoding="utf-8").strip()


def test_scripts_are_run_by_migrations():
    for path in _scripts():
        if not re.match(r"\d{4}_", path.name) or path.name.endswith(".reverse.sql"):
            continue
        users = list((path.parent.parent / "migrations").glob(f"{path.name[:4]}_*.py"))
        assert any(f'"{path.stem}"' in user.read_text(encoding="utf-8") for user in users)


@pytest.fixture
def own_database(django_db_setup, django_db_blocker):
    """Point the `owner` alias to a new, empty database."""
    owner = connections["owner"]
    name = owner.settings_dict["NAME"]
    parameters = {
        key: value
        for key, value in owner.get_connection_params().items()
        if key not in {"context", "cursor_factory", "dbname"}
    }

    def administrate(*statements: str) -> None:
        with psycopg.connect(**parameters, dbname="postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    own = f"{connections['default'].settings_dict['NAME']}_migrations"
    administrate(f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)', f'CREATE DATABASE "{own}"')
    with django_db_blocker.unblock():
        owner.close()
        owner.settings_dict["NAME"] = own
        try:
            yield owner
        finally:
            owner.close()
            owner.settings_dict["NAME"] = name
            administrate(f'DROP DATABASE "{own}" WITH (FORCE)')


def _migrate(*arguments: str) -> None:
    call_command("migrate", *arguments, database="owner", verbosity=0, interactive=False)


def test_migrations_are_reversible(own_database):
    _migrate()
    for label in OUR_APPS:
        _migrate(label, "zero")
    with own_database.cursor() as cursor:
        cursor.execute(_LEFT)
        assert cursor.fetchall() == []
        cursor.execute("SELECT app, name FROM django_migrations")
        assert not [row for row in cursor.fetchall() if row[0] in OUR_APPS]

    _migrate()
    with own_database.cursor() as cursor:
        cursor.execute("BEGIN")
        assert conformance_errors(cursor) == []
        cursor.execute("ROLLBACK")


def test_runtime_role_privileges_are_reversible(owner_cursor):
    """This migration precedes irreversible ones of other packages."""
    folder = ROOT / "urfmp/db/sql"
    query = "SELECT defaclobjtype::text, defaclacl::text FROM pg_default_acl ORDER BY 1"
    owner_cursor.execute(query)
    before = owner_cursor.fetchall()
    owner_cursor.execute((folder / "0001_runtime_role.reverse.sql").read_text(encoding="utf-8"))
    owner_cursor.execute(query)
    assert owner_cursor.fetchall() != before
    owner_cursor.execute((folder / "0001_runtime_role.sql").read_text(encoding="utf-8"))
    owner_cursor.execute(query)
    assert owner_cursor.fetchall() == before
