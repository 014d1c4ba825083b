"""docs/schema.sql is the schema of the migrated database."""

from __future__ import annotations

from difflib import unified_diff
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.support.spec import TABLES
from urfmp.db.schema_dump import schema_text, unqualified

SCHEMA = Path(settings.BASE_DIR) / "docs/schema.sql"


@pytest.mark.django_db
def test_schema_sql_equals_migrated_database():
    with connection.cursor() as cursor:
        expected = schema_text(cursor)
    difference = "".join(
        unified_diff(
            SCHEMA.read_text(encoding="utf-8").splitlines(keepends=True),
            expected.splitlines(keepends=True),
            "docs/schema.sql",
            "migrated database",
        )
    )
    assert not difference, (
        "docs/schema.sql is out of date: run `make schema`. If an applied migration was edited, "
        f"recreate the databases first (`make reset`, pytest --create-db).\n{difference}"
    )


def test_schema_sql_has_tables_functions_triggers_policies_and_views():
    text = SCHEMA.read_text(encoding="utf-8")
    for table in TABLES:
        assert f"CREATE TABLE {table} (" in text
    for part in ("FUNCTION public.audit_row()", "TRIGGER audit_row_trigger", "POLICY tenant ON"):
        assert f"CREATE {part}" in text.replace("CREATE OR REPLACE", "CREATE")
    assert "CREATE VIEW robot_status_current" in text
    assert "_timescaledb" not in text.replace("_timescaledb_functions.", "")
    assert "procrastinate_jobs" not in text


@pytest.mark.django_db
def test_dump_schema_prints_or_writes_the_schema(tmp_path):
    printed = StringIO()
    call_command("dump_schema", stdout=printed)
    path = tmp_path / "schema.sql"
    call_command("dump_schema", output=path, stdout=StringIO())
    assert path.read_text(encoding="utf-8") == printed.getvalue()


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (" SELECT t.a,\n    t.b\n   FROM t\n  WHERE t.a > 0;",
         " SELECT a,\n    b\n   FROM t\n  WHERE a > 0;"),
        (" SELECT x.a\n   FROM t x\n  WHERE (x.a IN ( SELECT t.a\n           FROM t));",
         " SELECT a\n   FROM t x\n  WHERE (a IN ( SELECT t.a\n           FROM t));"),
        (" SELECT f.a\n   FROM f() f(a, b);", " SELECT a\n   FROM f() f(a, b);"),
        (" SELECT t.a\n   FROM t\n     JOIN u ON t.a = u.a;",
         " SELECT t.a\n   FROM t\n     JOIN u ON t.a = u.a;"),
    ],
)  # fmt: skip
def test_unqualified_view_is_the_same_on_all_versions(definition, expected):
    assert unqualified(definition) == expected
    assert unqualified(expected) == expected
