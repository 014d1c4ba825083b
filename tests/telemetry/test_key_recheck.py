"""A cached API key that was revoked gets 401, whatever else is wrong with the request."""

from __future__ import annotations

import gzip

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ApiKey
from apps.audit.models import AuditLog

pytestmark = pytest.mark.django_db(transaction=True)

JSON, LINES = "/api/v1/telemetry", "/api/v2/write"
GOOD = b'{"points": []}'
BAD = {
    "malformed": (JSON, b"{", "application/json", {}, 400),
    "no gzip": (JSON, GOOD, "application/json", {"content-encoding": "gzip"}, 400),
    "encoding": (JSON, GOOD, "application/json", {"content-encoding": "br"}, 415),
    "media type": (JSON, GOOD, "text/html", {}, 415),
    "too large": (JSON, gzip.compress(bytes(9_000_000)), "application/json",
                  {"content-encoding": "gzip"}, 413),
    "lines": (LINES, b"no line", "text/plain", {}, 400),
    "no lines": (LINES, b"", "text/plain", {}, 204),
    "precision": (LINES + "?precision=y", b"", "text/plain", {}, 400),
    "lines, encoding": (LINES, b"", "text/plain", {"content-encoding": "br"}, 415),
}  # fmt: skip


def send(key, path, body, content_type, headers):
    headers = {"authorization": f"{'Bearer' if path == JSON else 'Token'} {key}", **headers}
    return Client().post(path, body, content_type=content_type, headers=headers)


@pytest.mark.parametrize("name", BAD)
def test_invalid_body_with_revoked_key_gets_401(name, organization_a, make_key, tenant):
    *request, status = BAD[name]
    key = make_key(organization_a)
    for _ in range(2):  # the first use within a minute is recorded, and the key is reloaded
        assert send(key, *request).status_code == status
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    response = send(key, *request)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].endswith('realm="urfmp"')
    with tenant(organization_a):
        row = AuditLog.objects.get(action="accounts.access.refuse")
    assert (row.error_message, row.success) == ("key_revoked", False)


def test_key_without_scope_gets_403_unless_revoked(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"])
    for path in (JSON, LINES, JSON, LINES):
        assert send(key, path, GOOD, "application/json", {}).status_code == 403
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    for path in (JSON, LINES):
        assert send(key, path, GOOD, "application/json", {}).status_code == 401


def test_stored_request_verifies_key_once(organization_a, make_key, make_robot):
    make_robot(organization_a, serial_number="SN-1")
    key = make_key(organization_a)
    for _ in range(2):
        send(key, LINES, b"a,robot=SN-1 v=1", "text/plain", {})
    with CaptureQueriesContext(connection) as queries:
        response = send(key, LINES, b'a,robot=SN-1 v=1,s="text"', "text/plain", {})
    assert response.status_code == 400
    assert not [q for q in queries if "api_key_credential" in q["sql"]]
