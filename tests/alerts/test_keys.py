"""One open alert per condition: reports, repeats, and the database behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from apps.alerts.choices.alerts import AlertOutcome, AlertSeverity
from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_acknowledge, alert_report, alert_resolve, derived_key
from apps.audit.models import AuditLog
from tests.support.concurrency import run_concurrently
from tests.support.database_effects import insert_rows
from urfmp.common.tenancy.context import tenant_transaction

VALUES = {"type": "system", "severity": "warning", "title": "Hot", "message": "71 Cel"}


@pytest.fixture
def report(organization_a, tenant):
    def call(**fields):
        with tenant(organization_a):
            return alert_report(organization_id=organization_a.pk, **{**VALUES, **fields})

    return call


@pytest.mark.django_db
def test_repeat_counts_up_and_moves_last_seen(report, organization_a, tenant):
    first = report()
    again = report(title=" Hot ", message="72 Cel")
    assert (first.outcome, again.outcome) == (AlertOutcome.OPENED, AlertOutcome.REPEATED)
    assert again.alert.pk == first.alert.pk
    assert (first.alert.occurrences, again.alert.occurrences) == (1, 2)
    assert again.alert.last_seen_at > first.alert.last_seen_at
    assert again.alert.created_at == first.alert.created_at
    assert again.alert.message == "71 Cel"
    with tenant(organization_a):
        assert AuditLog.objects.filter(resource_id=first.alert.pk).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "repeated"),
        ({"severity": "info"}, "repeated"),
        ({"message": "other"}, "repeated"),
        ({"title": "Cold"}, "opened"),
        ({"type": "telemetry"}, "opened"),
        ({"source": "robot"}, "opened"),
        ({"key": "door"}, "opened"),
    ],
)
def test_derived_key_is_of_type_source_and_title(report, change, outcome):
    report()
    assert report(**change).outcome == outcome


@pytest.mark.django_db
def test_robots_have_alerts_of_their_own(report, organization_a, make_robot):
    one, other = make_robot(organization_a), make_robot(organization_a)
    for robot in (None, one, other):
        assert report(robot=robot, key="hot").outcome == "opened"
        assert report(robot=robot, key="hot", title="Other").alert.robot_id == getattr(
            robot, "pk", None
        )


@pytest.mark.django_db
def test_worse_repeat_raises_severity_and_shows_peak(report, organization_a, tenant):
    alert = report().alert
    peak = report(severity="critical", message="95 Cel", metadata={"value": 95}).alert
    later = report(severity="error", message="80 Cel").alert
    assert (peak.severity, peak.message, peak.metadata) == ("critical", "95 Cel", {"value": 95})
    assert (later.severity, later.message, later.occurrences) == ("critical", "95 Cel", 3)
    with tenant(organization_a):
        rows = AuditLog.objects.filter(resource_id=alert.pk, action="alerts.alert.report")
        assert rows.count() == 2  # opened, raised; repeats are not audited


@pytest.mark.django_db
def test_resolved_alert_is_not_repeated(report, organization_a, alice, tenant):
    alert = report().alert
    with tenant(organization_a):
        alert_acknowledge(alert, alice)
    assert report().alert.is_acknowledged
    with tenant(organization_a):
        alert_resolve(alert, alice, resolution="Fan replaced.")
        assert Alert.objects.get(pk=alert.pk).resolution == "Fan replaced."
    again = report()
    assert again.outcome == "opened"
    assert again.alert.pk != alert.pk


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["rule:7", "auto:abc", "a\u200bb", "x" * 256, "\u2800"])
def test_invalid_key_is_rejected(report, key):
    with pytest.raises(ValidationError) as caught:
        report(key=key)
    assert set(caught.value.message_dict) == {"key"}


@pytest.mark.django_db(transaction=True)
def test_parallel_reports_open_one_alert(organization_a, make_robot):
    robot = make_robot(organization_a)

    def call():
        with tenant_transaction(organization_a.pk):
            return alert_report(organization_id=organization_a.pk, robot=robot, **VALUES)

    found = run_concurrently(*[call] * 8)
    assert sorted(item.outcome.value for item in found) == ["opened"] + ["repeated"] * 7
    assert len({item.alert.pk for item in found}) == 1
    with tenant_transaction(organization_a.pk):
        assert Alert.objects.get().occurrences == 8


@pytest.mark.django_db
def test_database_allows_one_open_alert_per_key(report, organization_a, tenant):
    alert = report().alert
    with tenant(organization_a):
        with pytest.raises(IntegrityError, match="alerts_one_open_key"), transaction.atomic():
            Alert.objects.create(organization=organization_a, **VALUES)
        Alert.objects.filter(pk=alert.pk).update(is_resolved=True)
        Alert.objects.create(organization=organization_a, **VALUES)


@pytest.mark.django_db
def test_api_tells_whether_it_opened_or_repeated(organization_a, make_robot, make_key):
    robot = make_robot(organization_a)
    headers = {"x-api-key": make_key(organization_a, ["alerts:write"], robot=robot)}

    def post(**extra):
        return Client().post(
            "/api/v1/alerts",
            VALUES,
            content_type="application/json",
            headers={**headers, **extra},
        )

    first, second = post(), post()
    assert (first.status_code, second.status_code) == (201, 200)
    assert (first.json()["outcome"], second.json()["outcome"]) == ("opened", "repeated")
    assert second.json()["occurrences"] == 2
    assert first.json()["key"].startswith("auto:")
    once = post(**{"Idempotency-Key": "a"})
    replayed = post(**{"Idempotency-Key": "a"})
    assert (once.json()["occurrences"], replayed.json()["occurrences"]) == (3, 3)
    assert (
        "outcome"
        not in Client()
        .get(
            f"/api/v1/alerts/{first.json()['id']}",
            headers={"x-api-key": make_key(organization_a, ["alerts:read"])},
        )
        .json()
    )


@property_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.sampled_from(["system", "status"]), st.none() | st.just("robot"), st.text(max_size=20))
def test_database_derives_the_same_key(owner_cursor, kind, source, title):
    title = " ".join(title.replace("\x00", "").split())
    expected = derived_key(type=kind, source=source, title=title)
    owner_cursor.execute("SELECT alert_key(%s, %s, normalize(%s))", [kind, source, title])
    assert title.encode(errors="replace").decode() != title or (
        owner_cursor.fetchone()[0] == expected
    )


def test_equal_open_alerts_are_merged_by_the_migration(owner_cursor):
    rows = insert_rows(owner_cursor)
    owner_cursor.execute("DROP INDEX alerts_one_open_key")
    insert = (
        "INSERT INTO alerts (organization_id, robot_id, type, severity, title, message, created_at,"
        " is_resolved) VALUES (%s, %s, 'system', %s, 'T', 'M', %s, %s) RETURNING id"
    )
    keys = []
    for day, severity, is_resolved in (
        (1, "info", True), (2, "warning", False), (3, "critical", False), (4, "error", False),
    ):  # fmt: skip
        values = [rows.organization, rows.robot, severity, f"2026-01-0{day}", is_resolved]
        owner_cursor.execute(insert, values)
        keys.append(owner_cursor.fetchone()[0])
    script = Path(settings.BASE_DIR) / "apps/alerts/sql/0004_keys.sql"
    text = script.read_text(encoding="utf-8")
    owner_cursor.execute(text[text.index("WITH ranked") :])
    owner_cursor.execute(
        "SELECT is_resolved, occurrences, severity, last_seen_at >= '2026-01-04'"
        " FROM alerts WHERE id = ANY (%s) ORDER BY created_at",
        [keys],
    )
    assert owner_cursor.fetchall() == [
        (True, 1, "info", True),
        (False, 3, AlertSeverity.CRITICAL, True),
        (True, 1, "critical", True),
        (True, 1, "error", True),
    ]
