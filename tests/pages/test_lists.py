"""Lists that users work from: open tasks first, long texts clipped, robots up to date."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.urls import reverse
from django.utils import timezone

from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceTask
from tests.support.platform import enter
from tests.support.task_statuses import set_task_status
from urfmp.common.rendering.html import clipped

pytestmark = pytest.mark.django_db

TASKS = reverse("admin:maintenance_maintenancetask_changelist")
LONG = "X" * 255


@pytest.fixture
def tasks(organization_a, alice, bob, make_task, tenant):
    """Create tasks in every tab, none in the order of their due times."""
    now = timezone.now()
    made = {
        "later": make_task(organization_a, alice, title="later", due_at=now + timedelta(days=1)),
        "late": make_task(organization_a, alice, title="late", due_at=now - timedelta(days=2)),
        "mine": make_task(
            organization_a, alice, title="mine", due_at=now + timedelta(days=2), assigned_to=alice
        ),
        "old": make_task(organization_a, alice, title="old", due_at=now - timedelta(days=90)),
        "new": make_task(organization_a, alice, title="new", due_at=now - timedelta(days=1)),
        "never": make_task(organization_a, alice, title="never", assigned_to=bob),
    }
    with tenant(organization_a):
        done = MaintenanceTask.objects.filter(title__in=("old", "new"))
        set_task_status(done, MaintenanceStatus.COMPLETED)
    return made


def _titles(client, **query):
    page = client.get(TASKS, query)
    assert page.status_code == 200
    rows = page.context["cl"].result_list
    return page, [task.title for task in rows]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({}, ["late", "later", "mine", "never"]),
        ({"due": "open"}, ["late", "later", "mine", "never"]),
        ({"due": "mine"}, ["mine"]),
        ({"due": "overdue"}, ["late"]),
        ({"due": "done"}, ["new", "old"]),
        ({"due": "all"}, ["old", "late", "new", "later", "mine", "never"]),
        ({"q": "old"}, ["old"]),
        ({"due": "open", "q": "old"}, []),
    ],
)
def test_task_list_opens_with_open_tasks_overdue_first(tasks, alice, client_for, query, titles):
    assert _titles(client_for(alice), **query)[1] == titles


def test_task_tabs_show_counts(tasks, alice, client_for):
    page, _ = _titles(client_for(alice), due="overdue")
    tabs = {tab["label"]: (tab["count"], tab["is_current"]) for tab in page.context["task_tabs"]}
    assert tabs == {
        "Open": ("4", False),
        "Mine": ("1", False),
        "Overdue": ("1", True),
        "To approve": ("0", False),
        "Done": ("2", False),
        "All": (None, False),
    }
    assert 'aria-current="page">Overdue' in page.content.decode()


def test_home_cards_show_open_alerts_and_problems_first(
    organization_a, alice, client_for, make_robot, make_alert
):
    calm, hot, warm = (make_robot(organization_a, name=name) for name in ("Arm", "Saw", "Mill"))
    for severity in ("info", "critical"):
        make_alert(organization_a, robot=hot, severity=severity, title=severity)
    make_alert(organization_a, robot=warm, severity="info")
    page = client_for(alice).get(reverse("admin:index"))
    html = page.content.decode()
    cards = re.findall(r'data-robot-id="([^"]+)" data-value="\w+"( data-alert="\w+")?', html)
    assert cards[0] == (str(hot.pk), ' data-alert="critical"')
    assert dict(cards)[str(calm.pk)] == ""
    assert "2 alerts, worst: Critical" in html
    assert "1 alert: Info" in html


def test_home_shows_repeated_alert_once(organization_a, alice, client_for, make_alert):
    for _ in range(6):
        make_alert(organization_a, title="Door open")
    html = client_for(alice).get(reverse("admin:index")).content.decode()
    assert html.count(">Door open</a>") == 1
    assert "6 times" in html
    html = client_for(alice).get(reverse("admin:alerts_alert_changelist")).content.decode()
    assert html.count(">Door open</a>") == 1
    assert "Last seen" in html


def test_role_without_alerts_sees_none_on_cards(
    organization_a, make_user, client_for, make_robot, make_alert
):
    make_alert(organization_a, robot=make_robot(organization_a), severity="critical")
    user = make_user(organization_a, "custom", permissions=["robot.view"])
    assert "data-alert" not in client_for(user).get(reverse("admin:index")).content.decode()


def test_long_texts_are_clipped_in_lists(
    organization_a, alice, client_for, make_robot, make_alert, make_task
):
    robot = make_robot(organization_a, name=LONG, model="M" * 100, serial_number="S" * 100)
    make_alert(organization_a, title="A" * 255, robot=robot)
    make_task(organization_a, alice, title="T" * 255, robot=robot)
    client = client_for(alice)
    for name, texts in (
        ("robots_robot", (LONG, "M" * 100, "S" * 100)),
        ("alerts_alert", ("A" * 255, LONG)),
        ("maintenance_maintenancetask", ("T" * 255, LONG)),
    ):
        html = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        for text in texts:
            assert f'<span class="u-clip" title="{text}">{text}</span>' in html, name


def test_short_texts_are_not_clipped():
    assert clipped("Housing deburrer") == "Housing deburrer"
    assert "u-clip" in clipped("X" * 25)
    assert "&lt;b&gt;" in clipped("<b>" * 20)


def test_robot_list_says_when_it_was_read_and_follows_the_stream(
    organization_a, alice, client_for, make_robot
):
    robot = make_robot(organization_a)
    html = client_for(alice).get(reverse("admin:robots_robot_changelist")).content.decode()
    assert "data-as-of" in html
    assert f'<span data-seen data-robot-id="{robot.pk}">' in html
    assert "urfmp/js/robot_list.js" in html
    assert 'name="urfmp-live"' in html


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("cancel", ("Cancel the task Grease joint 2?", "Cancel this task", "Keep task")),
        ("start", ("Start the task Grease joint 2?", "Start", "Go back")),
    ],
)
def test_confirmation_names_act_and_task(organization_a, alice, client_for, make_task, name, texts):
    task = make_task(organization_a, alice)
    address = reverse("admin:maintenance_maintenancetask_act", args=[task.pk, name])
    html = client_for(alice).get(address).content.decode()
    for text in (*texts, "This will be logged under your name."):
        assert text in html
    assert f"<h2>{texts[0]}</h2>" in html


def test_confirmation_of_retirement_says_what_follows(
    organization_a, alice, client_for, make_robot
):
    robot = make_robot(organization_a, name="Housing {deburrer}")
    address = reverse("admin:robots_robot_act", args=[robot.pk, "retire"])
    html = client_for(alice).get(address).content.decode()
    assert "<h2>Retire Housing {deburrer}?</h2>" in html
    assert "open alerts are resolved" in html
    assert "Keep in service" in html


def test_menu_opens_the_organization_instead_of_its_list(organization_a, alice, root, client_for):
    change = reverse("admin:organizations_organization_change", args=[organization_a.pk])

    assert f'href="{change}"' in client_for(alice).get("/admin/").content.decode()
    assert f'href="{change}"' not in client_for(root).get("/admin/").content.decode()
    entered = enter(client_for(root), organization_a)
    assert f'href="{change}"' in entered.get("/admin/").content.decode()


def test_menu_marks_the_organization_on_its_page_only(organization_a, alice, client_for):
    client = client_for(alice)
    change = reverse("admin:organizations_organization_change", args=[organization_a.pk])

    def is_marked(url):
        request = client.get(url).wsgi_request
        groups = site.get_sidebar_list(request)
        items = {item["title"]: item for group in groups for item in group["items"]}
        return items["Organization"]["active"]

    assert [is_marked(url) for url in ("/admin/", change, "/admin/")] == [False, True, False]


def test_columns_of_every_list_have_their_labels_on_phones(ids, root, organization_a, client_for):
    """On phones each cell shows the label of its column."""
    client = client_for(root)
    enter(client, organization_a)
    wrong, shown = {}, 0
    for model in site._registry:
        if not model.__module__.startswith("apps."):
            continue
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        html = client.get(address, follow=True).content.decode()
        cells = re.findall(r'<(?:td|th) class="([^"]*)" data-label="([^"]*)"', html)
        shown += len(cells)
        bad = {
            label
            for classes, label in cells
            if "action-checkbox" not in classes
            and (label == "Select record" or label[:1] != label[:1].upper())
        }
        if bad:
            wrong[model.__name__] = bad
    assert wrong == {}
    assert shown > 50
