"""Rows that were stored before the rule for names are put in order by the migrations."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.database_effects import insert_rows

ROOT = Path(settings.BASE_DIR)


@pytest.fixture
def unchecked_cursor(owner_cursor):
    """A cursor of the owner without the CHECKs; the test's changes are rolled back."""
    owner_cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE conname LIKE '%form_check'"
    )
    for table, name in owner_cursor.fetchall():
        owner_cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    return owner_cursor


def _run(cursor, app, script):
    text = (ROOT / f"apps/{app}/sql/{script}.sql").read_text(encoding="utf-8")
    cursor.execute(text[text.index("UPDATE ") :])


def _robot(cursor, organization, serial_number, name="Arm", day=1, location=None):
    cursor.execute(
        "INSERT INTO robots (organization_id, name, vendor, serial_number, configuration,"
        " created_at, location) VALUES (%s, %s, 'cus\u200btom', %s, '{}', %s, %s) RETURNING id",
        [organization, name, serial_number, f"2026-01-0{day}", location],
    )
    return cursor.fetchone()[0]


def test_serial_numbers_that_become_equal_stay_apart(unchecked_cursor):
    cursor = unchecked_cursor
    rows = insert_rows(cursor)
    zero_width = _robot(cursor, rows.organization, "SN\u200b-1", "\u202e\u200b", 1)
    plain = _robot(cursor, rows.organization, "SN-1", "Arm\n 1", 3)
    wide = _robot(cursor, rows.organization, "\uff33\uff2e-1", "Zu\u0308rich", 2)
    invisible = _robot(cursor, rows.organization, "\u200b", "Arm", 4)
    _run(cursor, "robots", "0004_names")
    cursor.execute("SELECT id, serial_number, name, vendor FROM robots")
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    assert found[plain] == ("SN-1", "Arm 1", "custom")
    assert found[zero_width][0] == f"SN-1~{str(zero_width)[:8]}"
    assert found[zero_width][1] == f"Robot {str(zero_width)[:8]}"
    assert found[wide][:2] == (f"SN-1~{str(wide)[:8]}", "Zürich")
    assert found[invisible][0] is None


def test_places_of_robots_are_put_in_order(unchecked_cursor):
    cursor = unchecked_cursor
    rows = insert_rows(cursor)
    robot = _robot(
        cursor, rows.organization, "SN-2", location='{"area": "B\u200b2", "cell": "\u200b"}'
    )
    _run(cursor, "robots", "0004_names")
    cursor.execute("SELECT location FROM robots WHERE id = %s", [robot])
    assert cursor.fetchone()[0] == {"area": "B2", "cell": None}


def test_facilities_that_become_equal_stay_apart_and_keep_robots(unchecked_cursor):
    cursor = unchecked_cursor
    rows = insert_rows(cursor)
    names = {"Halle 1": uuid.uuid4(), "Halle\u200b 1": uuid.uuid4(), "\u200b": uuid.uuid4()}
    for name, key in names.items():
        cursor.execute(
            "INSERT INTO facilities (id, organization_id, name) VALUES (%s, %s, %s)",
            [key, rows.organization, name],
        )
    robot = _robot(cursor, rows.organization, "SN-3", location='{"facility": "Halle\u200b 1"}')
    _run(cursor, "organizations", "0007_names")
    cursor.execute("SELECT id, name FROM facilities WHERE id = ANY (%s)", [[*names.values()]])
    found = dict(cursor.fetchall())
    hidden = names["Halle\u200b 1"]
    other = f"Halle 1 ({str(hidden)[:8]})"
    assert found[names["Halle 1"]] == "Halle 1"
    assert found[names["Halle\u200b 1"]] == other
    assert found[names["\u200b"]].startswith("Facility ")
    cursor.execute("SELECT location ->> 'facility' FROM robots WHERE id = %s", [robot])
    assert cursor.fetchone()[0] == other


@pytest.mark.parametrize(
    ("app", "script", "table", "column"),
    [
        ("maintenance", "0005_names", "maintenance_tasks", "title"),
        ("alerts", "0003_names", "alerts", "title"),
        ("accounts", "0019_names", "users", "last_name"),
    ],
)
def test_texts_are_put_in_order(unchecked_cursor, app, script, table, column):
    cursor = unchecked_cursor
    rows = insert_rows(cursor)
    condition = "organization_id = %s"
    if table == "alerts":
        cursor.execute(
            "INSERT INTO alerts (organization_id, type, severity, title, message)"
            " VALUES (%s, 'system', 'info', 'T', 'M')",
            [rows.organization],
        )
    cursor.execute(
        f"UPDATE {table} SET {column} = E'Tit\\u200Ble\\n 1' WHERE {condition}",
        [rows.organization],
    )
    assert cursor.rowcount
    _run(cursor, app, script)
    cursor.execute(
        f"SELECT DISTINCT {column} FROM {table} WHERE {condition}",
        [rows.organization],
    )
    assert cursor.fetchall() == [("Title 1",)]
