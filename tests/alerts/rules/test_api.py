"""Alert rules through the API."""

from __future__ import annotations

import pytest

from apps.alerts.models import AlertRule
from apps.audit.models import AuditLog

pytestmark = pytest.mark.django_db
HOT = {
    "name": "Hot",
    "condition": {"clauses": [{"metric": "temperature", "threshold": 80, "clear": 75}]},
}


def post(client, path, body):
    return client.post(f"/api/v1/alert-rules{path}", body, "application/json")


def test_rule_is_created_changed_and_deleted_with_audit_rows(
    organization_a, alice, client_for, tenant
):
    client = client_for(alice)
    made = post(client, "", HOT)
    assert made.status_code == 201, made.content
    assert (made.json()["version"], made.json()["scope"]) == (1, "organization")
    assert made.json()["condition"] == {
        "clauses": [{"metric": "temperature", "threshold": 80.0, "clear": 75.0}]
    }
    url = f"/api/v1/alert-rules/{made.json()['id']}"
    changed = client.patch(
        url, {"is_enabled": False}, "application/json", headers={"if-match": made["ETag"]}
    )
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    gone = client.delete(url, headers={"if-match": changed["ETag"]})
    assert gone.status_code == 204
    with tenant(organization_a):
        assert not AlertRule.objects.exists()
        actions = AuditLog.objects.filter(resource_type="alert_rule").values_list(
            "action", flat=True
        )
        assert sorted(actions) == [
            "alerts.alert_rule.create", "alerts.alert_rule.delete", "alerts.alert_rule.update",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"condition": {}}, "condition"),
        ({"condition": {"clauses": []}}, "condition"),
        ({"condition": {"clauses": [{"metric": "Temp!"}]}}, "condition"),
        ({"condition": {"clauses": [{"metric": "a", "treshold": 1}]}}, "condition"),
        ({"condition": {"clauses": [{"metric": "a", "threshold": "hot"}]}}, "condition"),
        ({"condition": {"clauses": [{"metric": "a", "threshold": 1, "clear": 2}]}}, "condition"),
        ({"condition": {"clauses": [{"metric": "a", "measure": "rate"}]}}, "condition"),
        ({"condition": {"clauses": [{"metric": "a"}], "for_seconds": -1}}, "condition"),
        (
            {"condition": {**HOT["condition"], "severities": [{"severity": "error"}]}},
            "condition",
        ),
        (
            {
                "condition": {
                    **HOT["condition"],
                    "severities": [{"severity": "info", "after_seconds": 5}],
                }
            },
            "condition",
        ),
        (
            {
                "condition": {
                    **HOT["condition"],
                    "windows": [{"days": [8], "start": "06:00", "end": "22:00"}],
                }
            },
            "condition",
        ),
        ({"scope": "robot"}, "robot"),
        ({"scope": "facility", "facility": "Nowhere"}, "facility"),
        ({"kind": "theft"}, "kind"),
        ({"kind": "security"}, "condition"),
        ({"kind": "status"}, "condition"),
        ({"kind": "status", "condition": {"statuses": ["tired"]}}, "condition"),
        ({"name": ""}, "name"),
        ({"reopen_seconds": 100_000}, "reopen_seconds"),
    ],
)
def test_invalid_rule_is_rejected(body, field, organization_a, alice, client_for, tenant):
    answer = post(client_for(alice), "", {**HOT, **body})
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    with tenant(organization_a):
        assert not AlertRule.objects.exists()


def test_name_is_unique_for_the_same_robots(alice, client_for, make_robot, organization_a):
    client = client_for(alice)
    robot = make_robot(organization_a)
    assert post(client, "", HOT).status_code == 201
    assert post(client, "", HOT).json()["errors"]["name"]
    near = {**HOT, "scope": "robot", "robot": str(robot.pk)}
    assert post(client, "", near).status_code == 201
    assert post(client, "", near).status_code == 400


def test_viewer_cannot_change_rules(bob, client_for):
    assert post(client_for(bob), "", HOT).status_code == 403
    assert post(client_for(bob), "/preview", HOT).status_code == 403
    assert client_for(bob).get("/api/v1/alert-rules").status_code == 200


def test_preview_counts_episodes_of_the_week_and_stores_nothing(plant, alice, client_for):
    from apps.telemetry.services.rollups import roll_up

    plant.send(*((second, 90.0 if second % 100 < 3 else 70.0) for second in range(0, 1000, 1)))
    roll_up(plant.organization.id)
    answer = post(client_for(alice), "/preview", HOT)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["count"], body["robot_count"]) == (10, 1)
    assert body["robots"][0]["robot"] == str(plant.robot.pk)
    assert len(body["robots"][0]["episodes"]) == 10
    lasting = {**HOT, "condition": {**HOT["condition"], "for_seconds": 4}}
    assert post(client_for(alice), "/preview", lasting).json()["count"] == 0
    with plant.tenant(plant.organization):
        assert not AlertRule.objects.exists()
    assert plant.alerts() == []
