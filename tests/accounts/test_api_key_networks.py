"""Networks from which an API key is accepted."""

from __future__ import annotations

import ipaddress

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.selectors.credentials import KeyCredential
from tests.support.api_keys import get_with_key, key_row

JSON = "application/json"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("192.0.3.7", 403),
        ("2001:db8::1", 200),
        ("2001:db9::1", 403),
        ("", 403),
    ],
)
def test_key_outside_allowed_networks_gets_403(organization_a, make_key, address, status):
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    key = make_key(organization_a, ["robots:read"], allowed_networks=networks)
    answer = get_with_key(key, address)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "address_not_allowed"
        assert not answer.has_header("RateLimit-Limit")


def test_forwarded_headers_of_client_are_ignored(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"], allowed_networks=["192.0.2.0/24"])
    headers = {"x-api-key": key, "x-forwarded-for": "192.0.2.7", "x-real-ip": "192.0.2.7"}
    assert Client().get("/api/v1/robots", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path", ["/api/v1/telemetry", "/api/v2/write", "/write", "/api/v1/device/status", "/admin/"]
)
def test_every_endpoint_checks_allowed_networks(organization_a, make_robot, make_key, path):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot, allowed_networks=["192.0.2.0/24"])
    answer = Client(headers={"authorization": f"Bearer {key}"}).post(path, {}, content_type=JSON)
    assert answer.status_code == 403


@given(st.ip_addresses(), st.lists(st.ip_addresses(network="10.0.0.0/8"), max_size=3))
def test_allows_ip_matches_ipaddress(address, others):
    networks = tuple(f"{other}/32" for other in others)
    credential = KeyCredential(None, None, None, (), None, networks)
    assert credential.allows_ip(str(address)) is (not networks or address in others)


@pytest.mark.parametrize("text", ["192.0.2.7/24", "nonsense", "", "10.0.0.0/33", "1.2.3.4\x00"])
def test_invalid_network_is_rejected(organization_a, make_key, text):
    with pytest.raises(ValidationError, match="not an IP address or network"):
        make_key(organization_a, allowed_networks=[text])


def test_networks_are_normalized_unique_and_sorted(organization_a, make_key, tenant):
    given_networks = ["192.0.2.7", " 2001:DB8:0::/48", "192.0.2.7/32"]
    key = make_key(organization_a, allowed_networks=given_networks)
    stored = key_row(key, organization_a, tenant).allowed_networks
    assert stored == ["192.0.2.7/32", "2001:db8::/48"]
    assert [ipaddress.ip_network(network) for network in stored]


def test_database_rejects_invalid_networks(organization_a, make_key, tenant):
    make_key(organization_a)
    for bad in ("{nonsense}", "{NULL}"):
        with (
            tenant(organization_a),
            pytest.raises(Exception, match=r"cidr|check"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE api_keys SET allowed_networks = %s::text[]", [bad])


def test_api_changes_allowed_networks(organization_a, make_key, tenant, alice, client_for):
    client = client_for(alice)
    body = {"name": "k", "permissions": ["robots:read"], "allowed_networks": ["192.0.2.0/24"]}
    created = client.post("/api/v1/api-keys", body, content_type=JSON).json()
    assert created["allowed_networks"] == ["192.0.2.0/24"]
    path = f"/api/v1/api-keys/{created['id']}"
    answer = client.patch(path, {"allowed_networks": ["x"]}, content_type=JSON)
    assert answer.status_code == 400
    assert "allowed_networks" in answer.json()["errors"]
    answer = client.patch(path, {"allowed_networks": [], "name": "other"}, content_type=JSON)
    assert (answer.status_code, answer.json()["allowed_networks"]) == (200, [])
    assert answer.json()["key"] is None
