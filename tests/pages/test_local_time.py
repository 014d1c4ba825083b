"""Local times of pages: repeated and skipped hours."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.forms import MultiWidget
from django.utils import timezone

from apps.maintenance.models import MaintenanceTask

# In Berlin the clock goes back from 03:00 to 02:00 on this day, and forward on 29 March.
FIRST = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND = FIRST + timedelta(hours=1)
REPEATED = {"due_at_0": "2026-10-25", "due_at_1": "02:30:00"}
ADD = "/admin/maintenance/maintenancetask/add/"


@pytest.fixture
def page(fleet, alice, client_for):
    return client_for(alice)


def form_data(response, **changes):
    """Return what a browser sends back of the page's form."""
    data = {}
    with timezone.override("Europe/Berlin"):
        for bound in response.context["adminform"].form:
            value, widget = bound.value(), bound.field.widget
            if isinstance(widget, MultiWidget):
                parts = enumerate(widget.decompress(value))
                data |= {f"{bound.html_name}_{n}": part for n, part in parts}
            else:
                data[bound.html_name] = value
    return {**{name: "" if v is None else str(v) for name, v in data.items()}, **changes}


def stored(tenant, fleet, **lookup):
    with tenant(fleet.a.organization):
        return MaintenanceTask.objects.get(**lookup)


@pytest.mark.parametrize(("offset", "instant"), [("+02:00", FIRST), ("+01:00", SECOND)])
def test_task_in_repeated_hour_is_created_with_its_offset(page, fleet, tenant, offset, instant):
    data = {"title": "Night check", "type": "inspection", "priority": "low", **REPEATED}

    asked = page.post(ADD, data)
    created = page.post(ADD, {**data, "due_at_2": offset})

    assert asked.status_code == 200
    assert "occurs twice on this day" in asked.content.decode()
    assert f'<option value="{offset}">' in asked.content.decode()
    assert created.status_code == 302, created.context["errors"]
    assert stored(tenant, fleet, title="Night check").due_at == instant


@pytest.mark.parametrize("instant", [FIRST, SECOND])
def test_task_in_repeated_hour_keeps_its_time_when_edited(
    page, fleet, alice, make_task, tenant, instant
):
    task = make_task(fleet.a.organization, alice, due_at=instant)
    address = f"/admin/maintenance/maintenancetask/{task.pk}/change/"

    shown = page.get(address)
    complete = page.post(address, form_data(shown, title="Renamed"))
    without_offset = page.post(address, form_data(shown, title="Again", due_at_2=""))

    assert 'name="due_at_2"' in shown.content.decode()
    assert complete.status_code == without_offset.status_code == 302
    found = stored(tenant, fleet, pk=task.pk)
    assert (found.title, found.due_at) == ("Again", instant)


def test_task_moves_to_the_other_of_two_repeated_times(page, fleet, alice, make_task, tenant):
    task = make_task(fleet.a.organization, alice, due_at=FIRST)
    address = f"/admin/maintenance/maintenancetask/{task.pk}/change/"

    page.post(address, form_data(page.get(address), due_at_2="+01:00"))

    assert stored(tenant, fleet, pk=task.pk).due_at == SECOND


def test_offset_of_a_repeated_time_is_dropped_with_another_date(
    page, fleet, alice, make_task, tenant
):
    task = make_task(fleet.a.organization, alice, due_at=SECOND)
    address = f"/admin/maintenance/maintenancetask/{task.pk}/change/"

    page.post(address, form_data(page.get(address), due_at_0="2026-10-26"))

    assert stored(tenant, fleet, pk=task.pk).due_at == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_skipped_time_is_rejected_with_the_reason(page):
    data = {"title": "x", "type": "inspection", "priority": "low"}

    response = page.post(ADD, {**data, "due_at_0": "2026-03-29", "due_at_1": "02:30"})

    assert "02:30 does not exist on this day in Europe/Berlin" in response.content.decode()
    assert "Enter 03:30 or another time." in response.content.decode()


def test_time_in_the_address_of_a_new_task_may_have_an_offset(page):
    response = page.get(f"{ADD}?due_at=2026-10-25T02:30%2B01:00")

    assert response.context["adminform"].form.initial["due_at"] == SECOND
    assert '<option value="+01:00" selected>' in response.content.decode()


RANGE = "range=custom&start=2025-10-26T02:30&end=2025-10-26T02:45"


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        (RANGE, "00:30", "01:45"),
        (f"{RANGE}&start_offset=%2B01:00", "01:30", "01:45"),
        (f"{RANGE}&end_offset=%2B02:00", "00:30", "00:45"),
        (RANGE.replace("02:30", "02:30%2B01:00"), "01:30", "01:45"),
        (f"{RANGE}&start_offset=nonsense", "00:30", "01:45"),
    ],
)
@pytest.mark.parametrize("path", ["/admin/status-history/", "/admin/telemetry/"])
def test_range_may_begin_in_the_repeated_hour(page, path, query, start, end):
    response = page.get(f"{path}?{query}")

    shown = [response.context[name].astimezone(UTC) for name in ("start", "end")]
    assert [f"{time:%H:%M}" for time in shown] == [start, end]
    assert not response.context["form"].messages


def test_range_keeps_the_chosen_offset_in_its_form_and_links(page):
    response = page.get(f"/admin/status-history/?{RANGE}&start_offset=%2B01:00")

    html = response.content.decode()
    assert '<option value="+01:00" selected>Second, UTC+01:00</option>' in html
    assert "start=2025-10-26T02%3A30%3A00%2B01%3A00" in response.context["query"]


def test_range_in_the_skipped_hour_is_rejected_with_the_reason(page):
    query = "range=custom&start=2026-03-29T02:30&end=2026-03-29T04:00"

    response = page.get(f"/admin/status-history/?{query}")

    (error,) = response.context["form"].messages
    assert error.startswith("From: 02:30 does not exist on this day")
    assert 'value="2026-03-29T02:30"' in response.content.decode()


def test_download_may_begin_in_the_repeated_hour(page, fleet, tenant):
    times = [datetime(2025, 10, 26, 0, 40, tzinfo=UTC), datetime(2025, 10, 26, 1, 40, tzinfo=UTC)]
    with tenant(fleet.a.organization), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " VALUES (%s, %s, 'power.total', 1)",
            [(time, fleet.a.robot.pk) for time in times],
        )
    data = {"start": "2025-10-26T02:30", "end": "2025-10-26T02:50", "format": "csv"}

    def count(**more):
        response = page.get("/admin/telemetry/export/", {**data, **more})
        assert response.status_code == 200
        text = b"".join(response.streaming_content).decode("utf-8-sig")
        return len(list(csv.DictReader(io.StringIO(text))))

    assert count() == 2
    assert count(start_offset="+01:00") == 1
    assert count(end_offset="+02:00") == 1


def test_list_filter_includes_both_occurrences_of_the_repeated_hour(page):
    query = {"created_at_from_0": "2025-10-26", "created_at_from_1": "02:30:00"}
    query |= {"created_at_to_0": "2025-10-26", "created_at_to_1": "02:31:00"}

    statement = str(page.get("/admin/audit/auditlog/", query).context["cl"].queryset.query)

    assert ">= 2025-10-26 00:30:00" in statement
    assert "<= 2025-10-26 01:31:00" in statement
