from __future__ import annotations

import base64

import pytest
from django.test import Client


def test_responses_are_not_cached(organization_a, make_key):
    answer = Client(headers={"x-api-key": make_key(organization_a, ["robots:read"])}).get(
        "/api/v1/robots"
    )
    assert answer["Cache-Control"] == "no-store"
    assert {"Authorization", "X-API-Key", "Cookie"} <= {
        name.strip() for name in answer["Vary"].split(",")
    }


def test_deeply_nested_cursor_gets_400(alice, client_for):
    cursor = base64.urlsafe_b64encode(b"[" * 3000).decode()
    answer = client_for(alice).get("/api/v1/robots", {"cursor": cursor})
    assert answer.status_code == 400


def test_empty_change_keeps_version(alice, client_for, organization_a, make_robot):
    robot = make_robot(organization_a)
    answer = client_for(alice).patch(
        f"/api/v1/robots/{robot.pk}", {}, content_type="application/json"
    )
    assert answer.json()["version"] == 1


@pytest.mark.parametrize("address", ["system@next.invalid", "X@Y.INVALID"])
def test_system_email_address_gets_400(alice, client_for, address):
    answer = client_for(alice).post(
        "/api/v1/users",
        {"email": address, "role": "viewer"},
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert "email" in answer.json()["errors"]
