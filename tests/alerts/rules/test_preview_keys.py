"""A rule is tried on history with any API key that may change rules."""

from __future__ import annotations

import pytest

RULE = {
    "name": "Motor of joint 1 is hot",
    "severity": "warning",
    "condition": {
        "clauses": [
            {
                "metric": "temperature.motor.joint1",
                "comparison": ">",
                "threshold": 80.0,
                "clear": 75.0,
            }
        ],
        "for_seconds": 60,
        "severities": [{"severity": "critical", "value": 95.0}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "scopes", [["alerts:write"], ["alerts:write", "robots:read", "telemetry:read"]]
)
def test_preview_with_key(scopes, organization_a, make_robot, make_key, client):
    make_robot(organization_a)
    key = make_key(organization_a, scopes)

    response = client.post(
        "/api/v1/alert-rules/preview", RULE, "application/json", headers={"x-api-key": key}
    )

    assert response.status_code == 200, response.content
    assert response.json()["count"] == 0
