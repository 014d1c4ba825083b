from __future__ import annotations

import psycopg
import pytest


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("field", ["scheduled_at", "due_at"])
def test_dates_out_of_range_are_rejected(alice, client_for, time, field):
    response = client_for(alice).post(
        "/api/v1/maintenance-tasks",
        {"title": "t", "type": "cleaning", field: time},
        content_type="application/json",
    )
    assert response.status_code == 400
    assert field in response.json()["errors"]


@pytest.mark.parametrize("time", ["0001-01-01 BC", "10000-01-01"])
def test_raw_sql_cannot_write_dates_out_of_range(owner_cursor, time):
    with pytest.raises(psycopg.errors.CheckViolation):
        owner_cursor.execute(
            "INSERT INTO maintenance_tasks (title, type, created_by, organization_id, scheduled_at)"
            " VALUES ('t', 'cleaning', gen_random_uuid(), gen_random_uuid(), %s)",
            [time],
        )
