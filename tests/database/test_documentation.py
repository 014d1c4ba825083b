from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import get_resolver

from tests.support.spec import TABLES, VIEWS

TEXT = (Path(settings.BASE_DIR) / "docs/database.md").read_text(encoding="utf-8")

_COLUMNS = """
    SELECT c.relname, a.attname,
           replace(replace(format_type(a.atttypid, a.atttypmod),
               'character varying', 'varchar'), 'timestamp with time zone', 'timestamptz'),
           CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND c.relname !~ '^(django|auth|procrastinate)_'
"""


def _described() -> dict[tuple[str, str], tuple[str, ...]]:
    tables = re.split(r"^### `(\w+)`$", TEXT.split("\n## References")[0], flags=re.MULTILINE)[1:]
    return {
        (table, name): (mark, type_, nullable)
        for table, body in zip(tables[::2], tables[1::2], strict=True)
        for mark, name, type_, nullable in re.findall(
            r"^\| (\+?) ?\| `(\w+)` \| ([^|]+) \| (yes|no) \|", body, re.MULTILINE
        )
    }


def test_columns_are_documented_correctly(owner_cursor):
    owner_cursor.execute(_COLUMNS)
    found = {(table, name): tuple(rest) for table, name, *rest in owner_cursor.fetchall()}
    assert {key: facts[1:] for key, facts in _described().items()} == found


def test_additions_are_marked():
    specified = {(table, column.name) for table, t in TABLES.items() for column in t.columns}
    for key, (mark, *_) in _described().items():
        assert (mark == "") == (key in specified)


def test_foreign_keys_and_triggers_are_documented(owner_cursor):
    owner_cursor.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'f'"
        " AND connamespace = 'public'::regnamespace"
        " AND conrelid::regclass::text !~ '^(django|auth|procrastinate)_'"
        " UNION SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
        " WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace"
        " AND tgname !~ '^(ts_|procrastinate_)'"
    )
    assert [name for (name,) in owner_cursor.fetchall() if f"`{name}`" not in TEXT] == []


def test_security_definer_functions_are_documented(owner_cursor):
    """The paragraph lists exactly those that the run-time role may call."""
    owner_cursor.execute(
        "SELECT p.proname, p.proconfig::text ~ 'search_path=' FROM pg_proc p"
        " WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef"
        " AND p.prorettype <> 'trigger'::regtype"
        " AND has_function_privilege('urfmp_app', p.oid, 'EXECUTE')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    functions = dict(owner_cursor.fetchall())
    assert all(functions.values())
    (paragraph,) = re.findall(r"are SECURITY DEFINER functions .*?\n\n", TEXT, re.DOTALL)
    listed = re.findall(r"`(\w+)`", paragraph.replace("`search_path`", ""))
    assert sorted(listed) == sorted(functions)


@pytest.mark.parametrize("view", VIEWS)
def test_view_columns_are_documented(view):
    (line,) = re.findall(rf"^\| `{view}` .*$", TEXT, re.MULTILINE)
    assert all(f"`{name}`" in line for name, _ in VIEWS[view].columns)


@pytest.mark.parametrize("page", ["database", "operations", "api"])
def test_documented_commands_exist(page):
    text = (Path(settings.BASE_DIR) / f"docs/{page}.md").read_text(encoding="utf-8")
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())


def test_api_routes_are_documented():
    text = (Path(settings.BASE_DIR) / "docs/api.md").read_text(encoding="utf-8")
    (prefix,) = [p for p in get_resolver().url_patterns if str(p.pattern) == "api/v1/"]
    for outer in prefix.url_patterns:
        for route in getattr(outer, "url_patterns", [outer]):
            first = re.match(r"\^?([a-z-]+)", str(route.pattern))
            assert first
            assert re.search(rf"[`/]{first[1]}\b", text), first[1]
