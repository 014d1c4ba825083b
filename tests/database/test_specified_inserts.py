"""Inserts with the specification's columns only; triggers fill the added ones."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture
def tables(owner_cursor):
    """Insert an organization, a user and a robot as the specification has them."""

    def insert(sql, *values):
        owner_cursor.execute(f"INSERT INTO {sql} RETURNING id", values)
        return owner_cursor.fetchone()[0]

    organization = insert("organizations (name, slug) VALUES ('Plain', %s)", uuid.uuid4().hex)
    user = insert(
        "users (email, password_hash, organization_id) VALUES (%s, 'x', %s)",
        f"{uuid.uuid4().hex}@plain.example",
        organization,
    )
    robot = insert(
        "robots (organization_id, name, vendor, configuration) VALUES (%s, 'R', 'kuka', '{}')",
        organization,
    )
    return insert, organization, user, robot


def test_organization_defaults_to_that_of_referenced_row(tables, owner_cursor):
    insert, organization, user, robot = tables
    rows = {
        "robot_commands": insert("robot_commands (robot_id, type) VALUES (%s, 'pause')", robot),
        "maintenance_tasks": insert(
            "maintenance_tasks (title, type, created_by) VALUES ('T', 'cleaning', %s)", user
        ),
        "alerts": insert(
            "alerts (robot_id, type, severity, title, message)"
            " VALUES (%s, 'system', 'info', 'A', 'm')",
            robot,
        ),
        "user_sessions": insert(
            "user_sessions (user_id, session_token, expires_at) VALUES (%s, %s, now())",
            user,
            uuid.uuid4().hex,
        ),
    }
    for table, pk in rows.items():
        owner_cursor.execute(f"SELECT organization_id FROM {table} WHERE id = %s", [pk])
        assert owner_cursor.fetchone()[0] == organization, table


def test_organization_defaults_to_that_of_transaction(tables, owner_cursor):
    insert, organization, _, _ = tables
    owner_cursor.execute("SELECT set_config('app.organization_id', %s, true)", [str(organization)])
    alert = insert("alerts (type, severity, title, message) VALUES ('system', 'info', 'A', 'm')")
    owner_cursor.execute("SELECT organization_id FROM alerts WHERE id = %s", [alert])
    assert owner_cursor.fetchone()[0] == organization
