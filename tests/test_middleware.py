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
def test_request_id_is_echoed(path, db):
    answer = Client().get(path, headers={"x-request-id": "abc-123.DEF_9"})
    assert answer["X-Request-ID"] == "abc-123.DEF_9"


@pytest.mark.parametrize(
    "given",
    [
        *["", "short", "x" * 65, "with blank", "new\u00e4", "a;b;c;d;e", "%0a%0d%0a"],
        pytest.param(generate_key(), id="a key"),  # every process collects the same names
    ],
)
def test_odd_request_ids_are_replaced(given, db):
    answer = Client().get("/healthz", headers={"x-request-id": given})
    assert answer["X-Request-ID"] != given
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])


def test_each_request_has_an_id_of_its_own(db):
    assert len({Client().get("/healthz")["X-Request-ID"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("", None), ("unix:", None)],
)
def test_client_address(address, expected):
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
def test_presented_key(headers, expected):
    assert presented_token(RequestFactory().get("/", headers=headers)) == expected


def test_a_key_wins_over_a_session(
    alice, charlie, client_for, organization_a, make_robot, make_key
):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"])
    rows = client_for(charlie).get("/api/v1/robots", headers={"x-api-key": key}).json()["results"]
    assert [row["id"] for row in rows] == [str(robot.pk)]


def test_keys_stay_out_of_the_admin(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    answer = Client().get("/admin/robots/robot/", headers={"x-api-key": key})
    assert answer.status_code in {302, 403}
    assert not ApiKeyPrincipal.is_staff


def test_answer_of_500_rolls_back(alice, client_for, organization_a, tenant, monkeypatch):
    """What failed in the end is not half written."""
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


def test_fault_of_ours_rolls_back_and_is_a_problem(
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


def test_signed_in_elsewhere_meanwhile(alice, charlie, client_for):
    """Signing in over another organization's session belongs to the new one alone."""
    from django.conf import settings
    from django.http import HttpRequest

    from apps.accounts.auth.login import log_in
    from apps.accounts.auth.session_store import SessionStore
    from apps.accounts.selectors.credentials import session_credential

    old = client_for(alice).cookies[settings.SESSION_COOKIE_NAME].value
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    request.session = SessionStore(old)
    log_in(request, charlie)
    assert session_credential(old) is None
    assert session_credential(request.session.session_key).user_id == charlie.pk
