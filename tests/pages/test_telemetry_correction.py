from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from apps.audit.models import AuditLog
from apps.telemetry.models import RobotTelemetry
from tests.conftest import PASSWORD
from tests.support.telemetry_points import insert_points
from urfmp.common.security.recent_auth import RECENT_AUTH_SECONDS

URL = "/admin/telemetry/corrections/"
START = (timezone.now() - timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
METRIC = "power.total"


@pytest.fixture
def robot(organization_a, make_robot):
    robot = make_robot(organization_a, name="Welder")
    insert_points(robot, METRIC, [(START + timedelta(seconds=n * 20), float(n)) for n in range(6)])
    return robot


@pytest.fixture
def page(robot, alice, client_for):
    return client_for(alice)


def fields(robot, seconds=60, **more):
    """Return form data in Acme's timezone, Europe/Berlin, by offset."""
    return {
        "check": "1",
        "robot": str(robot.pk),
        "metric": METRIC,
        "start": START.isoformat(),
        "end": (START + timedelta(seconds=seconds)).isoformat(),
        **more,
    }


def confirmed(robot, **more):
    return fields(robot, reason="Loose cable", expected_points="3", **more)


def values(tenant, organization):
    with tenant(organization):
        return [*RobotTelemetry.objects.order_by("time").values_list("value", flat=True)]


def test_chart_page_links_to_correction_for_admins(
    page, robot, make_user, organization_a, client_for
):
    link = f"{URL}?robot={robot.pk}&amp;metric={METRIC}"
    assert link in page.get("/admin/telemetry/").content.decode()
    manager = client_for(make_user(organization_a, "manager"))
    assert URL not in manager.get("/admin/telemetry/").content.decode()


def test_form_offers_robots_and_metrics(page, robot):
    text = page.get(URL, {"robot": str(robot.pk), "metric": METRIC}).content.decode()
    assert f'<option value="{robot.pk}" selected>Welder</option>' in text
    assert f'<option value="{METRIC}"></option>' in text


def test_preview_counts_points_and_changes_nothing(page, robot, organization_a, tenant):
    answer = page.get(URL, fields(robot))
    assert answer.status_code == 200
    assert "3 points will be deleted" in answer.content.decode()
    assert len(values(tenant, organization_a)) == 6


def test_preview_of_empty_range_offers_no_deletion(page, robot):
    text = page.get(URL, fields(robot, metric="never.sent")).content.decode()
    assert "No points in this range" in text
    assert 'method="post"' not in text.partition('id="range-title"')[2]


def test_confirmed_deletion_redirects_to_chart(page, robot, organization_a, tenant):
    answer = page.post(URL, confirmed(robot))
    assert answer.status_code == 302, answer.content
    target = urlsplit(answer["location"])
    assert target.path == "/admin/telemetry/"
    assert parse_qs(target.query)["metrics"] == [METRIC]
    assert values(tenant, organization_a) == [3.0, 4.0, 5.0]
    assert (
        "3 points of power.total of Welder were deleted."
        in page.get(answer["location"]).content.decode()
    )
    with tenant(organization_a):
        row = AuditLog.objects.get(action="telemetry.points.delete")
    assert row.request_data["reason"] == "Loose cable"


def test_changed_number_shows_new_preview(page, robot, organization_a, tenant):
    insert_points(robot, METRIC, [(START + timedelta(seconds=1), 9.0)])
    answer = page.post(URL, confirmed(robot))
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "The range now has 4 points, not 3." in text
    assert "4 points will be deleted" in text
    assert 'name="expected_points" value="4"' in text
    assert len(values(tenant, organization_a)) == 7


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reason": " "}, "Enter a reason"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"metric": "Not a name"}, "lower-case letters"),
        ({"robot": "00000000-0000-0000-0000-000000000000"}, "Select a valid choice"),
        ({"robot": "x"}, "Select a valid choice"),
        ({"end": START.isoformat()}, "The end must be after the start"),
        ({"start": "x"}, "Enter a valid date/time"),
        ({"expected_points": "x"}, "Enter a whole number"),
    ],
)
def test_invalid_correction_changes_nothing(page, robot, organization_a, tenant, wrong, words):
    answer = page.post(URL, {**confirmed(robot), **wrong})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert len(values(tenant, organization_a)) == 6


def test_old_login_asks_for_password_and_keeps_input(
    page, robot, organization_a, tenant, monkeypatch
):
    monkeypatch.setattr(
        "urfmp.common.security.recent_auth.time.time",
        lambda: timezone.now().timestamp() + RECENT_AUTH_SECONDS + 1,
    )
    answer = page.post(URL, confirmed(robot))
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "Enter your password to continue" in text
    assert "Loose cable" not in text  # it is encrypted
    assert len(values(tenant, organization_a)) == 6
    monkeypatch.undo()
    kept = {"_step_up": "POST", "_step_up_kept": answer.context["kept"]}
    answer = page.post(URL, {**kept, "_step_up_password": PASSWORD})
    assert answer.status_code == 302
    assert len(values(tenant, organization_a)) == 3


def test_roles_without_permission_are_denied(robot, make_user, organization_a, tenant, client_for):
    manager = client_for(make_user(organization_a, "manager"))
    assert manager.post(URL, confirmed(robot)).status_code == 403
    assert len(values(tenant, organization_a)) == 6


def test_robot_of_other_organization_is_no_choice(
    robot, charlie, client_for, organization_a, tenant
):
    answer = client_for(charlie).post(URL, confirmed(robot))
    assert answer.status_code == 400
    assert "Welder" not in answer.content.decode()
    assert len(values(tenant, organization_a)) == 6


def test_correction_pages_need_few_queries(page, robot, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        page.get(URL, fields(robot))


def test_link_without_range_shows_no_errors(page, robot):
    html = page.get(f"{URL}?robot={robot.pk}").content.decode()

    assert "This field is required" not in html
    assert "This field is required" in page.get(f"{URL}?check=1").content.decode()
