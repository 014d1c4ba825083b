from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import client_ip, presented_token
from apps.accounts.selectors.key_format import generate_key
from apps.organizations.models import Facility


@pytest.mark.parametrize("path", ["/api/v1/robots", "/healthz", "/admin/login/", "/nothing"])
def test_request_id_valid_is_returned(path, db):
    answer = Client().get(path, headers={"x-request-id": "abc-123.DEF_9"})
    assert answer["X-Request-ID"] == "abc-123.DEF_9"


@pytest.mark.parametrize(
    "given",
    [
        *["", "short", "x" * 65, "with blank", "new\u00e4", "a;b;c;d;e", "%0a%0d%0a"],
        pytest.param(generate_key(), id="a key"),  # every process collects the same names
    ],
)
def test_request_id_invalid_is_replaced(given, db):
    answer = Client().get("/healthz", headers={"x-request-id": given})
    assert answer["X-Request-ID"] != given
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])


def test_request_id_missing_is_unique(db):
    assert len({Client().get("/healthz")["X-Request-ID"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("", None), ("unix:", None)],
)
def test_client_ip_is_normalized(address, expected):
    assert client_ip(RequestFactory().get("/", REMOTE_ADDR=address)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer"}, None),
        ({"x-api-key": "abc"}, "abc"),
        ({"x-api-key": ""}, ""),
        ({"authorization": "Bearer one", "x-api-key": "two"}, "one"),
    ],
)
def test_presented_token_reads_both_headers(headers, expected):
    assert presented_token(RequestFactory().get("/", headers=headers)) == expected


def test_api_key_takes_precedence_over_session(
    alice, charlie, client_for, organization_a, make_robot, make_key
):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"])
    rows = client_for(charlie).get("/api/v1/robots", headers={"x-api-key": key}).json()["results"]
    assert [row["id"] for row in rows] == [str(robot.pk)]


def test_api_key_cannot_open_admin(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    answer = Client().get("/admin/robots/robot/", headers={"x-api-key": key})
    assert answer.status_code in {302, 403}
    assert not ApiKeyPrincipal.is_staff


def test_response_500_rolls_back(alice, client_for, organization_a, tenant, monkeypatch):
    """A failed response leaves no partial changes."""
    from apps.organizations.api.facilities import FacilityViewSet

    def create(self, request, *args, **kwargs):
        Facility.objects.create(organization_id=request.user.organization_id, name="Half")
        return HttpResponse(status=status)

    monkeypatch.setattr(FacilityViewSet, "create", create)
    client = client_for(alice)
    for status, kept in ((500, False), (503, False), (202, True)):
        client.post("/api/v1/facilities", {}, content_type="application/json")
        with tenant(organization_a):
            assert Facility.objects.exists() is kept, status


def test_unexpected_error_rolls_back_and_returns_problem(
    alice, client_for, organization_a, tenant, monkeypatch
):
    from apps.organizations.api.facilities import FacilityViewSet

    def create(self, request, *args, **kwargs):
        Facility.objects.create(organization_id=request.user.organization_id, name="Half")
        raise ZeroDivisionError

    monkeypatch.setattr(FacilityViewSet, "create", create)
    client = client_for(alice, raise_request_exception=False)
    answer = client.post("/api/v1/facilities", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    with tenant(organization_a):
        assert not Facility.objects.exists()


def test_login_over_other_organizations_session_replaces_it(alice, charlie, client_for):
    """A login over another organization's session belongs to the new one only."""
    from django.conf import settings
    from django.http import HttpRequest

    from apps.accounts.auth.login import log_in
    from apps.accounts.selectors.credentials import session_credential
    from apps.accounts.services.session_store import SessionStore

    old = client_for(alice).cookies[settings.SESSION_COOKIE_NAME].value
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    request.session = SessionStore(old)
    log_in(request, charlie)
    assert session_credential(old) is None
    assert session_credential(request.session.session_key).user_id == charlie.pk
