"""Tag mappings of API keys, and the other endpoints of InfluxDB clients."""

from __future__ import annotations

import gzip
import time

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, line_protocol_mapping
from apps.accounts.services.api_keys import api_key_rotate, api_key_update
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import MAX_METADATA_BYTES

MAPPING = {
    "robot_tag": "machine",
    "metadata_tags": ["firmware", "Line"],
    "dropped_tags": ["host"],
    "prefix": "plc.a",
}


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, serial_number="SN-1")


@pytest.fixture
def write(organization_a, make_key, robot):
    """Write as Telegraf does: compressed, to the InfluxDB 2 endpoint, in nanoseconds."""

    def post(body, mapping=None, key=None):
        key = key or make_key(organization_a, line_protocol_mapping=mapping)
        return Client().post(
            "/api/v2/write?bucket=any&org=any",
            gzip.compress(body.encode()),
            content_type="text/plain; charset=utf-8",
            headers={
                "authorization": f"Token {key}",
                "content-encoding": "gzip",
                "user-agent": "Telegraf/1.32.0 Go/1.23.0",
            },
        )

    return post


@pytest.fixture
def stored(tenant, organization_a):
    def read():
        with tenant(organization_a):
            rows = RobotTelemetry.objects.values_list("metric_name", "value", "metadata")
            return {name: (value, metadata) for name, value, metadata in rows}

    return read


def line(tags, fields="idle=1"):
    return f"cpu,{tags} {fields} {int(time.time()) - 60}000000000\n"


def test_write_maps_tags_as_key_defines(write, stored):
    response = write(line("Line=7,cpu=0,firmware=v\\ 1\\,2,host=h,machine=SN-1"), MAPPING)
    assert response.status_code == 204, response.content
    assert stored() == {"plc.a.cpu.idle.cpu.0": (1.0, {"firmware": "v 1,2", "Line": "7"})}


@pytest.mark.parametrize("mapping", [None, {}])
def test_write_without_mapping_adds_tags_to_name(mapping, write, stored):
    assert write(line("host=h,machine=m,robot=SN-1"), mapping).status_code == 204
    assert stored() == {"cpu.idle.host.h.machine.m": (1.0, None)}


def test_mapping_partial_is_valid(write, stored):
    assert write(line("host=h,robot=SN-1"), {"dropped_tags": ["host"]}).status_code == 204
    assert write(line("host=h,robot=SN-1"), {"metadata_tags": ["host"]}).status_code == 204
    assert write(line("robot=x,serial_number=SN-1"), {"robot_tag": "m"}).status_code == 204
    assert set(stored()) == {"cpu.idle", "cpu.idle.robot.x"}


def test_write_long_metadata_is_rejected(write, stored):
    tags = ",".join(f"t{n:02}={'x' * 100}" for n in range(45))
    mapping = {"metadata_tags": [f"t{n:02}" for n in range(45)]}
    response = write(line(f"robot=SN-1,{tags}"), mapping)
    assert response.status_code == 400
    assert f"at most {MAX_METADATA_BYTES} bytes" in response.json()["message"]
    assert stored() == {}


def test_mapping_change_applies_to_ingest(
    organization_a, make_key, tenant, write, stored, monkeypatch
):
    monkeypatch.setattr("apps.accounts.selectors.line_protocol_mapping._CACHE_SECONDS", 0.0)
    key = make_key(organization_a)
    assert write(line("host=h,robot=SN-1"), key=key).status_code == 204
    with tenant(organization_a):
        api_key_update(ApiKey.objects.get(), line_protocol_mapping={"dropped_tags": ["host"]})
    assert write(line("host=h,robot=SN-1"), key=key).status_code == 204
    assert set(stored()) == {"cpu.idle.host.h", "cpu.idle"}


def test_rotated_key_keeps_mapping(organization_a, make_key, alice, tenant):
    make_key(organization_a, line_protocol_mapping=MAPPING)
    with tenant(organization_a):
        successor, _ = api_key_rotate(ApiKey.objects.get(), user=alice)
    assert successor.line_protocol_mapping == MAPPING


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "Enter a JSON object"),
        ({"tags": []}, "Unknown key tags"),
        ({"robot_tag": ""}, "robot_tag"),
        ({"robot_tag": 5}, "robot_tag"),
        ({"robot_tag": "a" * 101}, "robot_tag"),
        ({"metadata_tags": "host"}, "metadata_tags"),
        ({"metadata_tags": [["host"]]}, "metadata_tags"),
        ({"dropped_tags": [f"t{n}" for n in range(51)]}, "dropped_tags"),
        ({"dropped_tags": ["host", "host"]}, "Each tag can be listed only once: host"),
        ({"dropped_tags": ["m"], "robot_tag": "m"}, "Each tag can be listed only once: m"),
        ({"prefix": "Plc"}, "prefix"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "a" * 51}, "prefix"),
        ({"prefix": None}, "prefix"),
    ],
)
def test_mapping_invalid_is_rejected(wrong, words, alice, client_for):
    body = {"name": "k", "permissions": ["telemetry:write"], "line_protocol_mapping": wrong}
    client = client_for(alice)
    response = client.post("/api/v1/api-keys", body, content_type="application/json")
    assert response.status_code == 400
    assert any(words in text for text in response.json()["errors"]["line_protocol_mapping"])
    assert (
        line_protocol_mapping.parse_line_protocol_mapping(wrong)
        == line_protocol_mapping.LineProtocolMapping()
    )


def test_api_mapping_round_trip(alice, client_for):
    body = {"name": "k", "permissions": ["telemetry:write"], "line_protocol_mapping": MAPPING}
    client = client_for(alice)
    made = client.post("/api/v1/api-keys", body, content_type="application/json").json()
    assert made["line_protocol_mapping"] == MAPPING
    changed = client.patch(
        f"/api/v1/api-keys/{made['id']}",
        {"line_protocol_mapping": {}},
        content_type="application/json",
    )
    assert changed.json()["line_protocol_mapping"] == {}


def test_admin_shows_mapping(alice, client_for, organization_a, make_key, tenant):
    make_key(organization_a, line_protocol_mapping=MAPPING)
    with tenant(organization_a):
        pk = ApiKey.objects.get().pk
    text = client_for(alice).get(f"/admin/accounts/apikey/{pk}/change/").content.decode()
    assert "robot_tag" in text
    assert "firmware" in text


@pytest.mark.parametrize("method", ["get", "head"])
def test_ping_and_health_without_key_succeed(method, db):
    client = Client()
    response = getattr(client, method)("/ping")
    assert (response.status_code, response.content) == (204, b"")
    assert response["X-Influxdb-Version"]
    response = getattr(client, method)("/health")
    assert response.status_code == 200
    if method == "get":
        assert response.json()["status"] == "pass"
    assert client.post("/ping").status_code == client.post("/health").status_code == 405


@pytest.mark.parametrize("path", ["/query?q=SHOW+DATABASES", "/api/v2/query"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_queries_get_influx_error(path, method, db):
    response = getattr(Client(), method)(path)
    assert response.status_code == 501
    assert "telemetry/series" in response.json()["error"]
    assert response.json()["code"] == "not implemented"
