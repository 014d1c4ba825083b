from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone

from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.selectors import storage
from apps.telemetry.services.rollups import roll_up
from apps.telemetry.services.telemetry import telemetry_ingest
from tests.support.retention import apply_settings
from tests.support.telemetry_points import insert_points
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.time.local import start_of_day
from urfmp.pages.views.storage import _next_purge

URL = "/admin/storage/"
DAY = timedelta(days=1)


@pytest.fixture
def stored(organization_a, organization_b, make_robot):
    """Organization A: 20 series of 60 recent points and one old point. B: one point each."""
    now = timezone.now()
    for organization, series, count in ((organization_a, 20, 60), (organization_b, 1, 1)):
        robot = make_robot(organization, name=f"{organization.slug} robot")
        points = [
            Point(f"m{n}", now - timedelta(seconds=50 * k + 60), 1.0, robot_id=robot.pk)
            for n in range(series)
            for k in range(count)
        ]
        points.append(Point("m0", now - 200 * DAY, 1.0, robot_id=robot.pk))
        telemetry_ingest(
            organization_id=organization.id, decode=partial(DecodedBatch, list(enumerate(points)))
        )
        roll_up(organization.id)


def test_storage_with_few_series_is_exact(stored, organization_a, tenant):
    with tenant(organization_a):
        own = storage.get_organization_storage(organization_a.id)
    assert (own.series, own.is_exact, own.points) == (20, True, 1201)
    assert own.per_second_hour == pytest.approx(1200 / 3600, rel=0.03)
    assert own.per_second_day * 86_400 == pytest.approx(1200, rel=0.05)
    assert own.oldest.date() == (timezone.now().astimezone(UTC) - 200 * DAY).date()
    assert sum(count for _, count in own.days) == 1200


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"])
def test_days_are_local(organization_a, make_robot, tenant, zone):
    """Points before and after a local midnight, in an hour of UTC that both days share."""
    zone = ZoneInfo(zone)
    midnight = start_of_day(timezone.now().astimezone(zone).date() - 3 * DAY, zone)
    minutes = [-120, -6, -1, 0, 1, 2, 90]
    points = [(midnight + timedelta(minutes=minute), 1.0) for minute in minutes]
    insert_points(make_robot(organization_a), "m", points)
    roll_up(organization_a.id)

    with tenant(organization_a):
        own = storage.get_organization_storage(organization_a.id, zone)

    day = midnight.astimezone(zone).date()
    assert own.days == [(day - DAY, 3), (day, 4)]


def test_storage_with_many_series_is_estimated(stored, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(storage, "_MAX_SAMPLED_SERIES", 10)
    with tenant(organization_a):
        own = storage.get_organization_storage(organization_a.id)
    assert (own.series, own.is_exact) == (20, False)
    # Each sampled series represents others: 60 or 61 points, depending on the sample.
    assert own.points == 0 or 1200 <= own.points <= 1220


def test_storage_excludes_other_organizations(stored, organization_a, organization_b, tenant):
    with tenant(organization_b):
        assert storage.get_organization_storage(organization_b.id).points == 2
        assert storage.get_organization_storage(organization_a.id).points == 0
        assert storage.get_organization_storage_summaries() == []


def test_page_shows_own_organization_only(stored, alice, client_for, organization_a, tenant):
    with tenant(organization_a):
        apply_settings(organization_a, {"telemetry_retention_days": 30})
    text = client_for(alice).get(URL).content.decode()
    assert "1,201" in text
    assert "30 days" in text
    assert "data of 1 robot, the oldest from" in text
    for word in ("Globex", "robot_telemetry", "edition", "Indexes"):
        assert word not in text


def test_page_shows_platform_staff_all_organizations(stored, root, client_for):
    text = client_for(root).get(URL).content.decode()
    for word in ("Globex", "Acme", "robot_telemetry", "telemetry_minutes", "edition", "1,201"):
        assert word in text


def test_page_without_telemetry_has_no_pending_deletion(charlie, client_for):
    assert "<td>None</td>" in client_for(charlie).get(URL).content.decode()


@pytest.mark.parametrize("role", ["viewer", "technician", "operator"])
def test_role_without_permission_gets_403(role, make_user, organization_a, client_for):
    client = client_for(make_user(organization_a, role))
    assert client.get(URL).status_code == 403
    assert URL not in client.get("/admin/").content.decode()


def test_query_count(stored, root, client_for, django_assert_max_num_queries):
    client = client_for(root)
    client.get(URL)
    with django_assert_max_num_queries(20):
        client.get(URL)


def test_table_shows_when_oldest_chunk_is_dropped(stored, db):
    table = {table.name: table for table in storage.get_table_storage()}["robot_telemetry"]
    assert table.chunks >= 2
    assert table.total_bytes >= table.index_bytes > 0
    with connection.cursor() as cursor:  # other tests may have left older chunks
        cursor.execute(
            "SELECT min(range_end) FROM timescaledb_information.chunks"
            " WHERE hypertable_name = 'robot_telemetry'"
        )
        (oldest_end,) = cursor.fetchone()
    assert oldest_end < timezone.now() - 190 * DAY
    assert abs(table.oldest_goes_at - (oldest_end + 365 * DAY)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("now", "run"),
    [
        ((0, 0), (1, 0, 37)),
        ((0, 37), (1, 6, 37)),
        ((13, 5), (1, 18, 37)),
        ((18, 36), (1, 18, 37)),
        ((23, 59), (2, 0, 37)),
    ],
)
def test_next_purge_follows_schedule(now, run):
    at = datetime(2026, 5, 1, *now, tzinfo=UTC)
    day, hour, minute = run
    assert _next_purge(at) == datetime(2026, 5, day, hour, minute, tzinfo=UTC)


def test_list_is_empty_outside_platform(stored, root):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage_of_organizations(5)")
        assert cursor.fetchone() == (0,)
    with tenant_transaction(root.organization_id):
        names = {line.name for line in storage.get_organization_storage_summaries()}
    assert {"Acme", "Globex"} <= names
