from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from apps.organizations.services.organizations import organization_update
from apps.telemetry.protocols.points import Batch, Point
from apps.telemetry.selectors import storage
from apps.telemetry.services.rollups import roll_up
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.pages.views.storage import _next_run

URL = "/admin/storage/"
DAY = timedelta(days=1)


@pytest.fixture
def stored(organization_a, organization_b, make_robot):
    """In A 20 series of 60 points in the last hour and one of long ago; in B a single point."""
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
            organization_id=organization.id, read=partial(Batch, list(enumerate(points)))
        )
        roll_up(organization.id)


def test_own_numbers_are_exact_while_they_are_few(stored, organization_a, inside):
    with inside(organization_a):
        own = storage.storage_of_organization(organization_a.id)
    assert (own.series, own.is_exact, own.points) == (20, True, 1201)
    assert own.per_second_hour == pytest.approx(1200 / 3600, rel=0.03)
    assert own.per_second_day * 86_400 == pytest.approx(1200, rel=0.05)
    assert own.oldest.date() == (timezone.now().astimezone(UTC) - 200 * DAY).date()
    assert sum(count for _, count in own.days) == 1200


def test_many_series_are_estimated(stored, organization_a, inside, monkeypatch):
    monkeypatch.setattr(storage, "_SAMPLE", 10)
    with inside(organization_a):
        own = storage.storage_of_organization(organization_a.id)
    assert (own.series, own.is_exact) == (20, False)
    # Each series looked at stands for others: 60 points, or 61, whichever are drawn.
    assert own.points == 0 or 1200 <= own.points <= 1220


def test_nobody_elses_numbers(stored, organization_a, organization_b, inside):
    with inside(organization_b):
        assert storage.storage_of_organization(organization_b.id).points == 2
        assert storage.storage_of_organization(organization_a.id).points == 0
        assert storage.storage_of_organizations() == []


def test_page_shows_an_organization_its_own(stored, alice, sign_in, organization_a, inside):
    with inside(organization_a):
        organization_update(organization_a, settings={"telemetry_retention_days": 30})
    text = sign_in(alice).get(URL).content.decode()
    assert "1,201" in text
    assert "30 days" in text
    assert "rows of 1 robot, the oldest of" in text
    for word in ("Globex", "robot_telemetry", "edition", "Indexes"):
        assert word not in text


def test_page_shows_the_platform_everything(stored, root, sign_in):
    text = sign_in(root).get(URL).content.decode()
    for word in ("Globex", "Acme", "robot_telemetry", "telemetry_minutes", "edition", "1,201"):
        assert word in text


def test_organization_without_telemetry(charlie, sign_in):
    assert "nothing now" in sign_in(charlie).get(URL).content.decode()


@pytest.mark.parametrize("role", ["viewer", "technician", "operator"])
def test_others_may_not(role, make_user, organization_a, sign_in):
    client = sign_in(make_user(organization_a, role))
    assert client.get(URL).status_code == 403
    assert URL not in client.get("/admin/").content.decode()


def test_query_count(stored, root, sign_in, django_assert_max_num_queries):
    client = sign_in(root)
    client.get(URL)
    with django_assert_max_num_queries(20):
        client.get(URL)


def test_table_tells_when_its_oldest_chunk_goes(stored, db):
    table = {table.name: table for table in storage.storage_of_tables()}["robot_telemetry"]
    assert table.chunks >= 2
    assert table.total_bytes >= table.index_bytes > 0
    assert timedelta(days=160) < table.oldest_goes_at - timezone.now() < timedelta(days=170)


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
def test_next_run(now, run):
    at = datetime(2026, 5, 1, *now, tzinfo=UTC)
    day, hour, minute = run
    assert _next_run(at) == datetime(2026, 5, day, hour, minute, tzinfo=UTC)


def test_the_list_is_for_the_platform_alone(stored, root):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage_of_organizations(5)")
        assert cursor.fetchone() == (0,)
    with tenant_transaction(root.organization_id):
        names = {line.name for line in storage.storage_of_organizations()}
    assert {"Acme", "Globex"} <= names
