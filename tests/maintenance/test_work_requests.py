"""Work requests: from a label or a user to a task; labels and their limits."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditLog
from apps.maintenance import throttling
from apps.maintenance.exceptions import TooManyWorkRequestsError, WorkRequestStateError
from apps.maintenance.models import MaintenanceTask, RobotLabel, WorkRequest
from apps.maintenance.selectors.work_requests import label_credential, label_tokens
from apps.maintenance.services import work_requests
from apps.maintenance.services.robot_labels import robot_labels_issue, robot_labels_revoke
from apps.maintenance.services.tasks import tasks_delete_of_purged_robot
from apps.maintenance.services.work_requests import (
    work_request_accept,
    work_request_create,
    work_request_dismiss,
)
from apps.robots.services.robots import robot_retire
from urfmp.common.security.bearer_secrets import hash_token

pytestmark = pytest.mark.django_db
LABELS = "/admin/robots/labels/"
LIST = "/admin/maintenance/workrequest/"


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name="Welder", model="KR 210", serial_number="SN-SECRET")


@pytest.fixture
def token(robot, organization_a, tenant):
    with tenant(organization_a):
        assert robot_labels_issue([robot]) == 1
        return label_tokens([robot.pk])[robot.pk]


@pytest.fixture
def waiting(robot, organization_a, tenant):
    with tenant(organization_a):
        return work_request_create(robot=robot, title="Oil below joint 3", requester_name="Kim")


def label_page(robot, token):
    return f"/admin/label/{robot.pk}/?token={token}"


def send(client, robot, token, **data):
    return client.post(label_page(robot, token), {"title": "Oil below joint 3", **data})


def requests_of(organization, tenant):
    with tenant(organization):
        return list(WorkRequest.objects.order_by("created_at"))


# Labels


def test_label_lets_a_person_without_a_login_report_a_problem(robot, token, organization_a, tenant):
    client = Client()
    page = client.get(label_page(robot, token))
    assert page.status_code == 200
    text = page.content.decode()
    assert "Welder" in text
    assert "KR 210" not in text
    assert "SN-SECRET" not in text
    assert organization_a.name not in text

    response = send(client, robot, token, description="Since Monday.", requester_name="Kim")

    assert response.status_code == 302
    assert "Thank you" in client.get(response["location"]).content.decode()
    (row,) = requests_of(organization_a, tenant)
    assert (row.title, row.description, row.requester_name, row.status, row.user_id) == (
        "Oil below joint 3", "Since Monday.", "Kim", "waiting", None,
    )  # fmt: skip
    with tenant(organization_a):
        audit = AuditLog.objects.get(action="maintenance.work_request.create")
        assert audit.resource_id == row.pk
        assert audit.user_id is None
        assert audit.ip_address


def test_label_leads_a_signed_in_user_to_the_robot(robot, token, bob, client_for):
    response = client_for(bob).get(label_page(robot, token))
    assert response.status_code == 302
    assert response["location"] == reverse("admin:robot_page", args=[robot.pk])


@pytest.mark.parametrize("case", ["none", "wrong", "revoked", "other robot", "retired"])
def test_label_that_is_not_valid_asks_for_a_login(
    case, robot, token, organization_a, alice, make_robot, tenant
):
    target = robot
    with tenant(organization_a):
        if case == "revoked":
            assert robot_labels_revoke([robot]) == 1
        elif case == "retired":
            robot_retire(robot)
    if case == "other robot":
        target = make_robot(organization_a)
    given = {"none": "", "wrong": "x" * 22}.get(case, token)
    for response in (Client().get(label_page(target, given)), send(Client(), target, given)):
        assert response.status_code == 302
        assert response["location"] == reverse("admin:robot_page", args=[target.pk])
    assert requests_of(organization_a, tenant) == []


def test_label_form_needs_the_csrf_token(robot, token, organization_a, tenant):
    response = send(Client(enforce_csrf_checks=True), robot, token)
    assert response.status_code == 403
    assert requests_of(organization_a, tenant) == []


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"title": ""}, "required"),
        ({"title": "a" * 201}, "at most 200"),
        ({"title": "\u200b"}, "Invisible characters"),
        ({"description": "d" * 2001}, "at most 2000"),
        ({"requester_name": "n" * 101}, "at most 100"),
        ({"requester_name": "Ar\u200bm"}, "Invisible characters"),
    ],
)
def test_label_form_rejects_invalid_text(data, error, robot, token, organization_a, tenant):
    response = send(Client(), robot, token, **data)
    assert response.status_code == 400
    assert error in response.content.decode()
    assert requests_of(organization_a, tenant) == []


def test_label_form_without_description_is_enough(robot, token, organization_a, tenant):
    assert send(Client(), robot, token, description="\u200b").status_code == 400
    assert send(Client(), robot, token).status_code == 302
    assert len(requests_of(organization_a, tenant)) == 1


def test_label_reports_are_limited(monkeypatch, robot, token, organization_a, tenant):
    monkeypatch.setattr(throttling, "_MAX_REQUESTS_PER_LABEL", 2)
    codes = [send(Client(), robot, token).status_code for _ in range(3)]
    assert codes == [302, 302, 429]
    response = send(Client(), robot, token)
    assert int(response["Retry-After"]) > 0
    assert len(requests_of(organization_a, tenant)) == 2


def test_unknown_labels_are_limited(monkeypatch, robot, token):
    monkeypatch.setattr(throttling, "_MAX_UNKNOWN_LABELS_PER_NETWORK", 2)
    codes = [Client().get(label_page(robot, "x" * 22)).status_code for _ in range(3)]
    assert codes == [302, 302, 429]


def test_known_labels_do_not_count_against_the_network(monkeypatch, robot, token):
    monkeypatch.setattr(throttling, "_MAX_UNKNOWN_LABELS_PER_NETWORK", 2)
    codes = {Client().get(label_page(robot, token)).status_code for _ in range(5)}
    assert codes == {200}


def test_label_is_stored_encrypted_and_not_audited(robot, token, organization_a, tenant):
    with tenant(organization_a):
        label = RobotLabel.objects.get()
        assert label.token_digest == hash_token(token)
        assert token not in label.token
        rows = AuditLog.objects.filter(action__startswith="maintenance.robot_label")
        texts = str(list(rows.values("before", "after")))
        assert rows.count() == 1
        assert token not in texts
        assert label.token_digest not in texts
        assert label.token not in texts


def test_label_issued_again_keeps_its_address(robot, token, organization_a, tenant):
    with tenant(organization_a):
        assert robot_labels_issue([robot]) == 0
        assert label_tokens([robot.pk]) == {robot.pk: token}


def test_label_issued_after_a_revocation_is_another(robot, token, organization_a, tenant):
    with tenant(organization_a):
        robot_labels_revoke([robot])
        robot_labels_issue([robot])
        assert label_tokens([robot.pk])[robot.pk] != token
    assert label_credential(token) is None


def test_label_of_another_organization_cannot_be_stored(robot, organization_b, tenant):
    with tenant(organization_b), pytest.raises(IntegrityError), transaction.atomic():
        RobotLabel.objects.create(
            organization=organization_b, robot=robot, token="t", token_digest="d" * 64
        )


def test_sheet_issues_and_revokes_labels(robot, organization_a, alice, client_for, tenant):
    client = client_for(alice)
    address = f"{LABELS}?robot={robot.pk}"
    assert not client.get(address).context["labels"][0].accepts_requests

    assert client.post(address, {"do": "issue"}).status_code == 302

    assert client.get(address).context["labels"][0].accepts_requests
    with tenant(organization_a):
        token = label_tokens([robot.pk])[robot.pk]
    assert label_credential(token).robot_id == robot.pk

    assert client.post(address, {"do": "revoke"}).status_code == 302

    assert not client.get(address).context["labels"][0].accepts_requests
    assert label_credential(token) is None


@pytest.mark.parametrize("act", ["issue", "revoke"])
def test_sheet_denies_changes_to_roles_without_permission(
    act, robot, token, organization_a, make_user, client_for, tenant
):
    client = client_for(make_user(organization_a, "operator"))
    assert client.post(f"{LABELS}?robot={robot.pk}", {"do": act}).status_code == 403
    assert label_credential(token) is not None


def test_sheet_changes_no_label_of_another_organization(
    robot, token, organization_b, make_user, client_for
):
    client = client_for(make_user(organization_b, "admin"))
    for act in ("issue", "revoke"):
        client.post(f"{LABELS}?robot={robot.pk}", {"do": act})
    assert label_credential(token).robot_id == robot.pk


# Review


def test_accepted_request_becomes_one_task(waiting, robot, alice, organization_a, tenant):
    with tenant(organization_a):
        task = work_request_accept(waiting, alice, type="inspection", priority="high")
        assert (task.robot_id, task.title, task.type, task.priority, task.created_by_id) == (
            robot.pk, "Oil below joint 3", "inspection", "high", alice.pk,
        )  # fmt: skip
        assert task.description == "Reported by Kim."
        waiting.refresh_from_db()
        assert (waiting.status, waiting.task_id, waiting.reviewed_by_id) == (
            "accepted", task.pk, alice.pk,
        )  # fmt: skip
        for review in (
            lambda: work_request_accept(waiting, alice),
            lambda: work_request_dismiss(waiting, alice, reason="no"),
        ):
            with pytest.raises(WorkRequestStateError):
                review()
        assert MaintenanceTask.objects.count() == 1
        assert AuditLog.objects.filter(action="maintenance.work_request.accept").exists()


def test_dismissed_request_creates_no_task(waiting, alice, organization_a, tenant):
    with tenant(organization_a):
        with pytest.raises(ValidationError):
            work_request_dismiss(waiting, alice, reason=" ")
        work_request_dismiss(waiting, alice, reason="Repaired")
        waiting.refresh_from_db()
        assert (waiting.status, waiting.reason, waiting.task_id) == ("dismissed", "Repaired", None)
        assert not MaintenanceTask.objects.exists()


def test_request_of_a_retired_robot_is_not_accepted(waiting, robot, alice, organization_a, tenant):
    with tenant(organization_a):
        robot_retire(robot)
        with pytest.raises(ValidationError):
            work_request_accept(waiting, alice)
        waiting.refresh_from_db()
        assert waiting.status == "waiting"
        with pytest.raises(ValidationError):
            work_request_create(robot=robot, title="Again")


def test_request_stays_without_its_task(waiting, robot, alice, organization_a, tenant):
    with tenant(organization_a):
        work_request_accept(waiting, alice)
        tasks_delete_of_purged_robot(robot)
        waiting.refresh_from_db()
        assert (waiting.status, waiting.task_id) == ("accepted", None)


@pytest.mark.parametrize("limit", ["MAX_WAITING_PER_ROBOT", "MAX_WAITING_PER_ORGANIZATION"])
def test_waiting_requests_are_limited(limit, monkeypatch, robot, alice, organization_a, tenant):
    monkeypatch.setattr(work_requests, limit, 1)
    with tenant(organization_a):
        first = work_request_create(robot=robot, title="One")
        with pytest.raises(TooManyWorkRequestsError):
            work_request_create(robot=robot, title="Two")
        work_request_dismiss(first, alice, reason="no")
        work_request_create(robot=robot, title="Two")


def test_form_says_that_too_many_requests_wait(monkeypatch, robot, token, waiting):
    monkeypatch.setattr(work_requests, "MAX_WAITING_PER_ROBOT", 1)
    response = send(Client(), robot, token)
    assert response.status_code == 400
    assert "Inform the staff" in response.content.decode()


def test_technician_reports_a_problem_for_review(
    robot, organization_a, make_user, client_for, tenant
):
    user = make_user(organization_a, "technician")
    client = client_for(user)
    address = reverse("admin:robot_report_page", args=[robot.pk])
    assert address in client.get(reverse("admin:robot_page", args=[robot.pk])).content.decode()
    assert client.post(address, {"title": "Loose cable"}).status_code == 302
    (row,) = requests_of(organization_a, tenant)
    assert (row.title, row.user_id, row.requester_name) == ("Loose cable", user.pk, None)
    assert client.post(address, {"title": ""}).status_code == 400


# Pages and API


def test_list_shows_waiting_requests_and_accepts_them(
    waiting, organization_a, make_user, client_for, tenant
):
    client = client_for(make_user(organization_a, "operator"))
    page = client.get(LIST).content.decode()
    assert "Oil below joint 3" in page
    assert "Kim (not signed in)" in page

    accept = reverse("admin:maintenance_workrequest_act", args=[waiting.pk, "accept"])
    assert "creates a task" in client.get(accept).content.decode()
    response = client.post(accept, {"type": "corrective", "priority": "medium", "_confirm": "1"})

    assert re.search(r"/maintenancetask/[0-9a-f-]+/change/$", response["location"])
    assert "Oil below joint 3" not in client.get(LIST).content.decode()
    assert "Oil below joint 3" in client.get(f"{LIST}?state=accepted").content.decode()
    detail = reverse("admin:maintenance_workrequest_change", args=[waiting.pk])
    assert urlsplit(response["location"]).path in client.get(detail).content.decode()


def test_technician_cannot_review(waiting, organization_a, make_user, client_for):
    client = client_for(make_user(organization_a, "technician"))
    for name in ("accept", "dismiss"):
        address = reverse("admin:maintenance_workrequest_act", args=[waiting.pk, name])
        assert client.get(address).status_code == 403
    assert "Accept:" not in client.get(LIST).content.decode()


def test_other_organization_sees_no_request(waiting, organization_b, make_user, client_for):
    client = client_for(make_user(organization_b, "admin"))
    assert "Oil" not in client.get(LIST).content.decode()
    for path in (
        reverse("admin:maintenance_workrequest_act", args=[waiting.pk, "accept"]),
        reverse("api:work-request-detail", args=[waiting.pk]),
    ):
        assert client.get(path).status_code == 404
    response = client.post(
        reverse("api:work-request-accept", args=[waiting.pk]), {}, "application/json"
    )
    assert response.status_code == 404


def test_api_creates_accepts_and_dismisses(robot, organization_a, alice, client_for, tenant):
    client = client_for(alice)
    body = {"robot": str(robot.pk), "title": "Loose cable"}
    url = reverse("api:work-request-list")
    first, second = (client.post(url, body, "application/json").json() for _ in range(2))
    assert (first["status"], first["user"], first["task"]) == ("waiting", str(alice.pk), None)

    accepted = client.post(
        reverse("api:work-request-accept", args=[first["id"]]), {}, "application/json"
    ).json()
    dismissed = client.post(
        reverse("api:work-request-dismiss", args=[second["id"]]),
        {"reason": "Twice"},
        "application/json",
    ).json()
    assert accepted["status"] == "accepted"
    assert accepted["task"]
    assert (dismissed["status"], dismissed["reason"]) == ("dismissed", "Twice")
    again = client.post(
        reverse("api:work-request-accept", args=[second["id"]]), {}, "application/json"
    )
    assert again.status_code == 409
    assert again.json()["code"] == "work_request_state"


def test_list_query_count(
    organization_a, alice, make_robot, client_for, tenant, django_assert_max_num_queries
):
    with tenant(organization_a):
        for number in range(20):
            work_request_create(robot=make_robot(organization_a), title=f"R{number}", user=alice)
    client = client_for(alice)
    client.get(LIST)
    with django_assert_max_num_queries(12):
        assert client.get(LIST).status_code == 200


def test_address_of_the_label_is_that_of_the_sheet(robot, token, settings):
    from urfmp.pages.views.robot.scanned import label_url

    settings.WEB_ORIGIN = "https://fleet.example"
    url = urlsplit(label_url(robot, token))
    assert url.path == f"/admin/label/{robot.pk}/"
    assert parse_qs(url.query) == {"token": [token]}
    assert urlsplit(label_url(robot, None)).query == ""


def test_labels_without_token_ask_for_a_login_and_are_not_limited(monkeypatch, robot):
    monkeypatch.setattr(throttling, "_MAX_UNKNOWN_LABELS_PER_NETWORK", 2)
    address = label_page(robot, "").partition("?")[0]
    assert [Client().get(address).status_code for _ in range(4)] == [302] * 4
