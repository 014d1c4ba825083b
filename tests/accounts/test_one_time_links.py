"""Links by e-mail: a forgotten password, and the first one of a new person."""

from __future__ import annotations

import json
import statistics
import time
from datetime import timedelta
from io import StringIO
from threading import Thread

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.accounts.choices import LinkPurpose
from apps.accounts.exceptions import InvalidLinkError
from apps.accounts.models import OneTimeLink, User, UserSession
from apps.accounts.services.one_time_links import (
    expired_links_delete,
    link_request,
    link_send,
    password_reset_send,
    password_set_with_token,
)
from apps.accounts.services.users import user_create, user_update
from apps.audit.models import AuditLog
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently, wait_for_blocked_lock
from urfmp.common.security.bearer_secrets import hash_token

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"
NEW = "seven quiet green herons"


@pytest.fixture
def code(alice, api_post, run_jobs, newest_code):
    """A code that Alice was sent."""
    assert api_post("auth/password-reset", {"email": ALICE}).status_code == 202
    run_jobs()
    return newest_code()


def choose(api_post, token, password=NEW):
    return api_post("auth/password-reset/confirm", {"token": token, "password": password})


def enters(password):
    return Client().post("/admin/login/", {"email": ALICE, "password": password}).status_code == 302


def test_api_resets_password(code, api_post, alice):
    assert mail.outbox[-1].to == [ALICE]
    assert f"/admin/choose-password/#{code}" in mail.outbox[-1].body

    assert choose(api_post, code).status_code == 204
    assert enters(NEW)
    assert not enters(PASSWORD)


def test_pages_reset_password(client, alice, run_jobs, newest_code):
    sent = client.post("/admin/forgot-password/", {"email": " Alice@ACME.example "})
    assert "we have sent a link to this address" in sent.content.decode()
    run_jobs()
    form = {"token": f" {newest_code()} ", "password": NEW, "password2": NEW}
    answer = client.post("/admin/choose-password/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/")
    assert client.get("/admin/").status_code == 302  # the reset does not log in
    assert enters(NEW)


def test_token_is_valid_once(code, api_post):
    assert choose(api_post, code).status_code == 204
    again = choose(api_post, code, "another seven green herons")
    assert (again.status_code, again.json()["code"]) == (400, "link_refused")
    assert enters(NEW)


@pytest.mark.django_db(transaction=True)
def test_concurrent_uses_one_succeeds(code, alice, actor):
    def attempt(number):
        def run():
            try:
                password_set_with_token(actor, token=code, password=f"{NEW} {number}")
            except InvalidLinkError:
                return None
            return number

        return run

    taken = [n for n in run_concurrently(*(attempt(n) for n in range(6))) if n is not None]
    assert len(taken) == 1
    assert enters(f"{NEW} {taken[0]}")


def test_invalid_password_keeps_token_valid(code, api_post):
    refused = choose(api_post, code, "alice@acme.example")
    assert (refused.status_code, set(refused.json()["errors"])) == (400, {"password"})
    assert choose(api_post, code).status_code == 204


def test_expired_token_is_rejected(code, api_post, tenant, organization_a):
    with tenant(organization_a):
        row = OneTimeLink.objects.get()
        left = row.expires_at - timezone.now()
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        OneTimeLink.objects.update(expires_at=timezone.now())
    assert choose(api_post, code).status_code == 400


def test_newer_link_invalidates_token(code, api_post, run_jobs, newest_code):
    api_post("auth/password-reset", {"email": ALICE})
    run_jobs()
    assert choose(api_post, code).status_code == 400
    assert choose(api_post, newest_code()).status_code == 204


def test_password_change_invalidates_token(code, api_post, alice, tenant, organization_a):
    with tenant(organization_a):
        user_update(alice, password="my own idea of a password")
    assert choose(api_post, code).status_code == 400


def test_email_change_invalidates_token(code, api_post, alice, tenant, organization_a):
    with tenant(organization_a):
        User.objects.update(email_verified=True)
        user_update(alice, first_name="Al", email=ALICE.upper())  # the same
        user_update(alice, email="alice.b@acme.example")
        assert not alice.email_verified
    assert choose(api_post, code).status_code == 400
    with tenant(organization_a):
        assert not User.objects.get(pk=alice.pk).email_verified


@pytest.mark.django_db(transaction=True)
def test_link_during_email_change_is_not_sent_to_old_address(alice, tenant, organization_a):
    def send():
        link_send(
            organization_id=organization_a.pk,
            user_id=alice.pk,
            purpose=LinkPurpose.PASSWORD_RESET,
            actor={},
        )

    sender = Thread(target=lambda: run_concurrently(send))
    with tenant(organization_a):
        user_update(alice, email="alice.b@acme.example")
        sender.start()
        wait_for_blocked_lock()
    sender.join()
    assert [message.to for message in mail.outbox] == [["alice.b@acme.example"]]


def test_deactivated_user_invalidates_token(
    code, api_post, make_user, alice, tenant, organization_a
):
    make_user(organization_a)  # the last admin stays
    with tenant(organization_a):
        user_update(alice, is_active=False)
        user_update(alice, is_active=True)
    assert choose(api_post, code).status_code == 400


def test_inactive_organization_invalidates_token(code, api_post, tenant, organization_a):
    with tenant(organization_a):
        organization_a.is_active = False
        organization_a.save(update_fields=["is_active"])
    assert choose(api_post, code).status_code == 400


def test_reset_revokes_all_sessions(code, api_post, alice, client_for, tenant, organization_a):
    browser = client_for(alice)
    tokens = api_post("auth/login", {"email": ALICE, "password": PASSWORD}).json()
    assert choose(api_post, code).status_code == 204
    assert browser.get("/admin/").status_code == 302
    bearer = Client(headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert bearer.get("/api/v1/auth/sessions").status_code == 401
    with tenant(organization_a):
        assert not UserSession.objects.exists()
        assert User.objects.get(pk=alice.pk).email_verified


def test_stored_digest_is_not_a_token(code, api_post, tenant, organization_a):
    with tenant(organization_a):
        row = OneTimeLink.objects.get()
    for value in (row.token_digest, str(row.pk), code[:-1], code.upper(), "", hash_token(code)):
        assert choose(api_post, value or "x").status_code == 400
    assert not enters(NEW)


def test_token_exists_only_in_email(
    alice, api_post, run_jobs, newest_code, caplog, tenant, organization_a
):
    api_post("auth/password-reset", {"email": ALICE})
    with tenant(organization_a):
        link_request(alice, LinkPurpose.PASSWORD_RESET)
    run_jobs()
    token = newest_code()
    choose(api_post, token, "short")
    choose(api_post, token)
    choose(api_post, token)
    jobs = json.dumps([job.args for job in ProcrastinateJob.objects.all()])
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(jsonb_agg(to_jsonb(a))::text, '') FROM audit_logs a")
        record = cursor.fetchone()[0]
    assert "accounts.user.password_reset" in record
    for secret in (token, hash_token(token), NEW):
        assert secret not in jobs + record + caplog.text


def test_writes_audit_row(code, api_post, alice, tenant, organization_a):
    choose(api_post, code)
    with tenant(organization_a):
        asked = AuditLog.objects.get(action="accounts.user.forgot_password")
        done = AuditLog.objects.get(action="accounts.user.password_reset", resource_type="user")
    assert (asked.resource_id, str(asked.ip_address)) == (alice.pk, "127.0.0.1")
    assert (done.resource_id, done.user_id) == (alice.pk, alice.pk)
    assert done.after["password_hash"] == "[secret]"


def test_unknown_email_gets_same_response(alice, api_post, client, run_jobs):
    answers = [api_post("auth/password-reset", {"email": e}) for e in (ALICE, "no@acme.example")]
    assert [(a.status_code, a.content) for a in answers] == [(202, b"")] * 2
    pages = [
        client.post("/admin/forgot-password/", {"email": e}).content.replace(e.encode(), b"")
        for e in (ALICE, "no@acme.example")
    ]
    assert pages[0] == pages[1]
    run_jobs()
    assert {m.to[0] for m in mail.outbox} == {ALICE}


def test_unknown_email_takes_as_long(alice, api_post, settings):
    settings.DEBUG = False
    times = {ALICE: [], "no@acme.example": []}
    with transaction.atomic():
        for number in range(40):
            for email, taken in times.items():
                settings.RATE_LIMIT_PREFIX = f"urfmp-test:timing:{time.time_ns()}:{number}:"
                began = time.perf_counter()
                api_post("auth/password-reset", {"email": email})
                taken.append(time.perf_counter() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.5 < known / unknown < 2


def test_requests_beyond_account_limit_get_429(alice, api_post, client, run_jobs):
    for email in (ALICE, "no@acme.example"):
        for _ in range(5):
            assert api_post("auth/password-reset", {"email": email}).status_code == 202
        answer = api_post("auth/password-reset", {"email": email})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 0 < int(answer["Retry-After"]) <= 3600
        page = client.post("/admin/forgot-password/", {"email": email})
        assert page.status_code == 429
        assert page["Retry-After"]
    run_jobs()
    assert len(mail.outbox) == 5


def test_requests_elsewhere_keep_trusted_device_limit(alice, api_post):
    mine = Client()
    mine.post("/admin/login/", {"email": ALICE, "password": PASSWORD})
    mine.post("/admin/logout/")
    while api_post("auth/password-reset", {"email": ALICE}).status_code == 202:
        pass
    assert mine.post("/admin/forgot-password/", {"email": ALICE}).status_code == 200


def test_requests_beyond_network_limit_get_429(api_post):
    answers = [
        api_post("auth/password-reset", {"email": f"n{n}@acme.example"}).status_code
        for n in range(51)
    ]
    assert answers == [202] * 50 + [429]


def test_logged_in_browser_can_use_link(alice, charlie, client_for, run_jobs, newest_code):
    client = client_for(charlie)
    client.post("/admin/forgot-password/", {"email": ALICE})
    run_jobs()
    form = {"token": newest_code(), "password": NEW, "password2": NEW}
    assert client.post("/admin/choose-password/", form).status_code == 302
    assert enters(NEW)


def test_invited_user_sets_first_password(alice, client_for, api_post, run_jobs, newest_code):
    body = {"email": "dora@acme.example", "role": "viewer", "first_name": "Dora"}
    answer = client_for(alice).post("/api/v1/users", body, content_type="application/json")
    assert answer.status_code == 201
    run_jobs()
    assert mail.outbox[-1].to == ["dora@acme.example"]
    assert "Acme has created an account for you" in mail.outbox[-1].body
    assert choose(api_post, newest_code(), NEW).status_code == 204
    entered = Client().post("/admin/login/", {"email": body["email"], "password": NEW})
    assert entered.status_code == 302


def test_invited_user_without_password_gets_no_reset(organization_a, tenant, api_post, run_jobs):
    with tenant(organization_a):
        user_create(organization_id=organization_a.id, email="dora@acme.example")
    assert api_post("auth/password-reset", {"email": "dora@acme.example"}).status_code == 202
    run_jobs()
    assert mail.outbox == []


def test_admin_sends_link_without_setting_password(
    alice, bob, client_for, run_jobs, newest_code, api_post
):
    client = client_for(alice)
    assert client.post(f"/api/v1/users/{bob.pk}/password-link").status_code == 202
    page = client.post(f"/admin/accounts/user/{bob.pk}/act/password-link/", follow=True)
    assert "was sent a password link" in page.content.decode()
    run_jobs()
    assert [m.to for m in mail.outbox] == [["bob@acme.example"]] * 2
    assert choose(api_post, newest_code()).status_code == 204


def test_admin_cannot_send_link_to_user_with_more_permissions(
    make_user, organization_a, alice, client_for, run_jobs
):
    keeper = make_user(organization_a, "custom", permissions=["user.view", "user.update"])
    client = client_for(keeper)
    assert client.post(f"/api/v1/users/{alice.pk}/password-link").status_code == 403
    client.post(f"/admin/accounts/user/{alice.pk}/act/password-link/")
    assert run_jobs() == 0


def test_rollback_sends_no_mail(alice, organization_a, tenant, run_jobs):
    def order():
        with tenant(organization_a):
            link_request(alice, LinkPurpose.PASSWORD_RESET)
            raise ValidationError("no")

    with pytest.raises(ValidationError):
        order()
    assert run_jobs() == 0


def test_mail_not_configured_is_reported(alice, client_for, api_post, client, settings):
    settings.MAIL_IS_CONFIGURED = False
    answer = api_post("auth/password-reset", {"email": ALICE})
    assert answer.json()["code"] == "mail_not_configured"
    page = client.post("/admin/forgot-password/", {"email": ALICE})
    assert page.status_code == 503
    assert "cannot send e-mail" in page.content.decode()
    form = {"email": "dora@acme.example", "role": "viewer"}
    added = client_for(alice).post("/admin/accounts/user/add/", form, follow=True)
    assert "password_link dora@acme.example" in added.content.decode()


def test_command_prints_link(alice, api_post):
    out = StringIO()
    call_command("password_link", ALICE, stdout=out)
    token = out.getvalue().strip().rpartition("#")[2]
    assert choose(api_post, token).status_code == 204
    with pytest.raises(CommandError, match="No active user has"):
        call_command("password_link", "no@acme.example")


def test_unreachable_mail_server_is_retried(alice, code, monkeypatch, api_post, newest_code):
    def refuse(*_, **__):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    job = {"email": ALICE, "actor": {"ip_address": "127.0.0.1"}}
    with pytest.raises(ConnectionRefusedError):
        password_reset_send(**job)
    monkeypatch.undo()  # also restores the prefix of the counters, which does not matter here
    password_reset_send(**job)
    assert choose(api_post, newest_code()).status_code == 204


@pytest.mark.parametrize(
    "form",
    [{}, {"token": "x"}, {"token": "x", "password": NEW, "password2": "y"}, {"token": "\x00"}],
)
def test_page_accepts_incomplete_forms(client, form):
    assert client.post("/admin/choose-password/", form).status_code == 400


def test_expired_links_are_deleted(code, tenant, organization_a):
    with tenant(organization_a):
        assert expired_links_delete() == 0
        OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(days=31))
        assert expired_links_delete() == 1
