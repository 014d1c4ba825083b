"""Calendar feeds: what they contain, and who may read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from apps.maintenance import throttling
from apps.maintenance.models import CalendarFeed
from apps.maintenance.services.calendar_feeds import calendar_feed_create, calendar_feed_revoke
from apps.maintenance.services.tasks import (
    task_cancel,
    task_complete,
    task_create,
    task_start,
    task_update,
)
from urfmp.common.security.bearer_secrets import hash_token

pytestmark = pytest.mark.django_db
URL = "/admin/calendar-feed/"
PROFILE = "/admin/profile/"


@pytest.fixture
def worker(make_user, organization_a):
    return make_user(organization_a, "technician")


@pytest.fixture
def token(worker, organization_a, tenant):
    with tenant(organization_a):
        return calendar_feed_create(worker)[1]


@pytest.fixture
def add_task(organization_a, alice, worker, tenant):
    def add(title, **fields):
        values = {"type": "cleaning", "assigned_to": worker, **fields}
        values.setdefault("due_at", datetime(2026, 12, 1, 9, tzinfo=UTC))
        with tenant(organization_a):
            return task_create(
                organization_id=organization_a.pk, created_by=alice, title=title, **values
            )

    return add


def read(token, **headers):
    return Client(headers=headers).get(URL, {"token": token})


def summaries(token):
    response = read(token)
    assert response.status_code == 200
    return re.findall(r"SUMMARY:(.*)\r\n", response.content.decode())


def test_feed_contains_open_and_recently_done_tasks_of_the_user(
    organization_a, alice, tenant, token, add_task, make_robot, make_facility
):
    make_facility(organization_a, "Hall, 2")
    robot = make_robot(organization_a, name="Welder; 1", location={"facility": "Hall, 2"})
    add_task("Grease", robot=robot, estimated_duration=45, description="Use\nthe pump")
    add_task("Not mine", assigned_to=alice)
    add_task("No time", due_at=None)
    cancelled, done, old = add_task("Cancelled"), add_task("New"), add_task("Old")
    with tenant(organization_a):
        task_cancel(cancelled, "no")
        for task in (done, old):
            task_start(task)
            task_complete(task)
        old.refresh_from_db()
        type(old).objects.filter(pk=old.pk).update(completed_at=timezone.now() - timedelta(days=31))
    assert sorted(summaries(token)) == ["Done: New", "Grease"]
    text = read(token).content.decode().replace("\r\n ", "")
    assert "DTSTART:20261201T090000Z\r\nDTEND:20261201T094500Z" in text
    assert "LOCATION:Hall\\, 2" in text
    about = "Robot: Welder\\; 1\\nState: Scheduled\\nPriority: Medium\\nUse\\nthe pump"
    assert f"DESCRIPTION:{about}\r\n" in text
    response = read(token)
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert response["Cache-Control"] == "private, no-cache"


def test_unchanged_feed_is_not_sent_again(organization_a, tenant, token, add_task):
    task = add_task("Grease")
    tag = read(token)["ETag"]
    assert read(token, if_none_match=tag).status_code == 304
    with tenant(organization_a):
        task_update(task, title="Grease all")
    assert read(token, if_none_match=tag).status_code == 200


def test_replaced_and_revoked_addresses_are_not_found(organization_a, worker, tenant, token):
    with tenant(organization_a):
        stored = CalendarFeed.objects.get()
        assert (stored.user_id, stored.token_digest) == (worker.pk, hash_token(token))
        second = calendar_feed_create(worker)[1]
    assert [read(token).status_code, read(second).status_code] == [404, 200]
    with tenant(organization_a):
        assert calendar_feed_revoke(worker)
        assert not calendar_feed_revoke(worker)
        rows = AuditLog.objects.filter(action__startswith="maintenance.calendar_feed")
        values = [str([row.before, row.after]) for row in rows]
    assert read(second).status_code == 404
    assert len(values) == 4  # created, replaced by two changes, revoked
    assert not any(hash_token(secret) in text for text in values for secret in (token, second))


@pytest.mark.parametrize("text", ["", "x", "x" * 10_000, "\u00e4\u0416\U0001f916", "a b"])
def test_unknown_address_is_not_found(db, text):
    assert read(text).status_code == 404
    assert Client().get(URL).status_code == 404
    assert Client().post(URL, {"token": text}).status_code == 405


def test_feed_ends_with_the_user_and_shows_no_tasks_without_the_permission(
    organization_a, alice, worker, tenant, token, add_task, make_user
):
    add_task("Grease")
    assert summaries(token) == ["Grease"]
    with tenant(organization_a):
        type(worker).objects.filter(pk=worker.pk).update(role="custom")
    assert summaries(token) == []
    with tenant(organization_a):
        user_update(worker, is_active=False)
    assert read(token).status_code == 404


def test_feed_ignores_the_session_of_another_organization(
    organization_b, charlie, client_for, token, add_task
):
    add_task("Grease")
    response = client_for(charlie).get(URL, {"token": token})
    assert b"SUMMARY:Grease" in response.content


def test_feed_is_limited_by_itself_and_unknown_addresses_by_network(
    monkeypatch, token, organization_a, alice, tenant
):
    monkeypatch.setattr(throttling, "_MAX_READS_PER_FEED", 3)
    monkeypatch.setattr(throttling, "_MAX_UNKNOWN_PER_NETWORK", 2)
    with tenant(organization_a):
        other = calendar_feed_create(alice)[1]
    assert [read(token).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert read(token)["Retry-After"].isdigit()
    assert read(other).status_code == 200
    assert [read("unknown").status_code for _ in range(3)] == [404, 404, 429]


def test_profile_creates_and_revokes_the_feed(organization_a, worker, client_for, tenant, add_task):
    add_task("Grease")
    client = client_for(worker)
    page = client.post(PROFILE, {"do": "create_feed"})
    address = page.context["feed_address"]
    assert address.startswith("http")
    secret = address.partition("token=")[2]
    assert summaries(secret) == ["Grease"]
    assert secret not in client.get(PROFILE).content.decode()
    assert client.post(PROFILE, {"do": "revoke_feed"}).status_code == 302
    assert read(secret).status_code == 404


def test_role_without_tasks_cannot_create_a_feed(organization_a, make_user, client_for):
    client = client_for(make_user(organization_a, "custom"))
    assert client.post(PROFILE, {"do": "create_feed"}).status_code == 403
    assert "Calendar feed" not in client.get(PROFILE).content.decode()
