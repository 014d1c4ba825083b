"""My work, and Home of technicians."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.maintenance.services.tasks import task_cancel, task_create, task_hold, task_start
from tests.support.statements import request_statements
from urfmp.common.time.local import start_of_day
from urfmp.pages.selectors.maintenance import my_work as module

pytestmark = pytest.mark.django_db
URL = "/admin/my-work/"


@pytest.fixture
def worker(make_user, organization_a):
    return make_user(organization_a, "technician", timezone="Pacific/Auckland")


@pytest.fixture
def add_task(organization_a, alice, worker, tenant):
    def add(title, due=None, **fields):
        values = {"type": "cleaning", "assigned_to": worker, **fields}
        with tenant(organization_a):
            return task_create(
                organization_id=organization_a.pk, created_by=alice, title=title,
                due_at=due, **values,
            )  # fmt: skip

    return add


def shown(client, url=URL):
    response = client.get(url)
    assert response.status_code == 200
    return {
        group.title: [item.task.title for item in group.items]
        for group in response.context["work"].groups
    }


def test_tasks_are_grouped_by_days_of_the_user(
    organization_a, alice, worker, add_task, client_for, tenant
):
    now = timezone.now()
    zone = ZoneInfo("Pacific/Auckland")
    midnight = start_of_day(now.astimezone(zone).date() + timedelta(days=1), zone)
    hour = timedelta(hours=1)
    add_task("late", now - hour)
    add_task("today", midnight - timedelta(seconds=1))
    add_task("tomorrow", midnight)
    add_task("in a month", now + timedelta(days=30))
    add_task("some day")
    add_task("another's", now, assigned_to=alice)
    with tenant(organization_a):
        task_cancel(add_task("cancelled", now), "no")
        task_start(add_task("running", now - 2 * hour))

    assert shown(client_for(worker)) == {
        "In progress": ["running"],
        "Overdue": ["late"],
        "Today": ["today"],
        "Next 7 days": ["tomorrow"],
        "Later": ["in a month"],
        "Without a date": ["some day"],
    }


def test_home_of_a_technician_is_the_own_work(worker, alice, add_task, client_for):
    add_task("Grease", timezone.now())
    assert shown(client_for(worker), "/admin/") == {"Overdue": ["Grease"]}
    assert "fleet" in client_for(worker).get("/admin/?fleet=1").context
    assert "fleet" in client_for(alice).get("/admin/").context


def test_start_leads_to_the_work_on_the_task(organization_a, worker, add_task, client_for, tenant):
    task = add_task("Grease", timezone.now() + timedelta(days=20))
    client = client_for(worker)
    work = reverse("admin:task_work_page", args=[task.pk])
    page = client.get(URL).content.decode()
    assert f'action="{work}"' in page
    response = client.post(work, {"act": "start"})
    assert (response.status_code, response["location"]) == (302, work)
    assert shown(client) == {"In progress": ["Grease"]}
    assert f'href="{work}" aria-label="Continue Grease"' in client.get(URL).content.decode()
    with tenant(organization_a):
        task_hold(task, "Waiting for grease")
    assert 'value="resume"' in client.get(URL).content.decode()
    assert client.post(work, {"act": "resume"})["location"] == work


def test_viewer_sees_own_tasks_without_actions(bob, add_task, client_for):
    add_task("Grease", timezone.now(), assigned_to=bob)
    page = client_for(bob).get(URL).content.decode()
    assert "Grease" in page
    assert "u-work__act" not in page


def test_more_tasks_are_counted_with_few_queries(monkeypatch, worker, add_task, client_for):
    monkeypatch.setattr(module, "MAX_TASKS", 2)
    for number in range(5):
        add_task(f"T{number}", timezone.now() + timedelta(hours=number))
    client = client_for(worker)
    client.get(URL)
    with CaptureQueriesContext(connection) as queries:
        page = client.get(URL)
    statements = request_statements(queries)
    assert len(statements) <= 12
    assert page.context["work"].more == 3
