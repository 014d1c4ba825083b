from __future__ import annotations

import statistics
import time

import pytest

from apps.accounts.services.users import user_update
from tests.conftest import PASSWORD
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db


def test_sign_in_by_e_mail_and_password(alice, client):
    response = client.post("/admin/login/", {"email": "Alice@acme.example", "password": PASSWORD})

    assert response.status_code == 302
    assert response["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_failure_does_not_tell_whether_the_account_exists(alice, client):
    wrong = client.post("/admin/login/", {"email": "alice@acme.example", "password": "wrong"})
    unknown = client.post("/admin/login/", {"email": "nobody@acme.example", "password": "wrong"})

    assert wrong.status_code == unknown.status_code == 400
    clean = [
        response.content.replace(email, b"")
        for response, email in ((wrong, b"alice"), (unknown, b"nobody"))
    ]
    tokens = [response.context["csrf_token"] for response in (wrong, unknown)]
    assert clean[0].replace(str(tokens[0]).encode(), b"") == clean[1].replace(
        str(tokens[1]).encode(), b""
    )
    assert b"Wrong e-mail or password" in wrong.content


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/admin/telemetry/", "/admin/telemetry/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
    ],
)
def test_sign_in_leads_on_within_the_product_alone(alice, client, target, expected):
    form = {"email": "alice@acme.example", "password": PASSWORD, "next": target}

    assert client.post("/admin/login/", form)["Location"] == expected


@pytest.mark.parametrize("form", [{}, {"email": "x"}, {"email": "a@b.example"}])
def test_sign_in_bears_incomplete_forms(db, client, form):
    assert client.post("/admin/login/", form).status_code == 400


def test_who_is_signed_in_is_sent_home(alice, client_for):
    assert client_for(alice).get("/admin/login/")["Location"] == "/admin/"


def test_sign_out_by_post_alone(alice, client_for):
    client = client_for(alice)

    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/")["Location"] == "/admin/login/"
    assert client.get("/admin/").status_code == 302


def test_a_new_password_ends_other_sessions_and_keeps_this_one(alice, client_for):
    here, elsewhere = client_for(alice), client_for(alice)
    new = "another long and good password"

    response = here.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert response.status_code == 302
    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


def test_a_wrong_old_password_changes_nothing(alice, client_for):
    new = "another long and good password"
    form = {"old_password": "wrong", "new_password1": new, "new_password2": new}

    response = client_for(alice).post("/admin/password_change/", form)

    assert response.status_code == 200
    assert "old_password" in response.context["form"].errors


@pytest.mark.parametrize("address", ["/admin/login/", "/admin/choose-password/"])
def test_pages_before_sign_in_send_their_origin(client, address):
    """With `no-referrer`, browsers send `Origin: null` and their forms are rejected."""
    page = client.get(address)
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-referrer" not in page.content.decode()


def test_it_takes_as_long_for_an_address_that_is_nobodys(alice, client, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    with tenant_transaction(alice.organization_id):
        user_update(alice, password=PASSWORD)
    times = {"alice@acme.example": [], "nobody@acme.example": []}
    for number in range(9):
        settings.RATE_LIMIT_PREFIX = f"urfmp-test:timing:{time.time_ns()}:{number}:"
        for email, taken in times.items():
            began = time.thread_time()  # what else the machine does does not count
            client.post("/admin/login/", {"email": email, "password": "wrong"})
            taken.append(time.thread_time() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.75 < known / unknown < 1.33, (known, unknown)
