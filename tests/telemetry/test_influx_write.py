"""The two write endpoints for InfluxDB clients."""

from __future__ import annotations

import base64
import gzip
import json
import time

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.telemetry.models import RobotTelemetry

V1, V2 = "/write", "/api/v2/write"
BOTH = pytest.mark.parametrize("path", [V1, V2])


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, serial_number="SN-1")


@pytest.fixture
def key(organization_a, make_key):
    return make_key(organization_a)


@pytest.fixture
def write(key, robot):
    def post(body, path=V2, query="", **headers):
        headers = {"authorization": f"Token {key}", **headers}
        body = body if isinstance(body, bytes) else body.encode()
        return Client(raise_request_exception=False).post(
            path + query, body, content_type="text/plain; charset=utf-8", headers=headers
        )

    return post


@pytest.fixture
def stored(tenant, organization_a):
    def read():
        with tenant(organization_a):
            return dict(RobotTelemetry.objects.values_list("metric_name", "value"))

    return read


def seconds_ago(seconds=60):
    return int(time.time()) - seconds


@BOTH
def test_write_stores_points_with_204(path, write, stored):
    body = (
        f"cpu,cpu=cpu0,robot=SN-1 idle=98.5,n=4i,big=5u,on=true {seconds_ago()}000000000\n"
        f"cpu,cpu=cpu1,robot=SN-1 idle=1 {seconds_ago()}000000000\n"
    )
    response = write(body, path)
    assert (response.status_code, response.content) == (204, b"")
    assert stored() == {
        "cpu.idle.cpu.cpu0": 98.5,
        "cpu.n.cpu.cpu0": 4.0,
        "cpu.big.cpu.cpu0": 5.0,
        "cpu.on.cpu.cpu0": 1.0,
        "cpu.idle.cpu.cpu1": 1.0,
    }
    assert write(body, path).status_code == 204  # resent: duplicates


@pytest.mark.parametrize(
    ("path", "precision", "step"),
    [
        (V2, "ns", 1e9),
        (V2, "us", 1e6),
        (V2, "ms", 1e3),
        (V2, "s", 1),
        (V1, "n", 1e9),
        (V1, "ns", 1e9),
        (V1, "u", 1e6),
        (V1, "ms", 1e3),
        (V1, "s", 1),
        (V1, "m", 1 / 60),
        (V1, "h", 1 / 3600),
    ],
)
def test_write_precision_scales_times(path, precision, step, write, tenant, organization_a):
    moment = seconds_ago() // 3600 * 3600
    query = f"?precision={precision}&bucket=b&org=o&db=d&rp=r&consistency=all"
    response = write(f"m,robot=SN-1 v=1 {round(moment * step)}", path, query)
    assert response.status_code == 204, response.content
    with tenant(organization_a):
        assert RobotTelemetry.objects.get().time.timestamp() == moment


@pytest.mark.parametrize(("path", "precision"), [(V2, "m"), (V2, "n"), (V2, "d"), (V1, "d")])
def test_write_unknown_precision_gets_400(path, precision, write):
    response = write("m v=1", path, f"?precision={precision}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_write_without_time_uses_now(write, tenant, organization_a):
    assert write("m,robot=SN-1 v=1").status_code == 204
    with tenant(organization_a):
        assert abs(RobotTelemetry.objects.get().time.timestamp() - time.time()) < 10


@BOTH
def test_write_partial_stores_valid_points_and_lists_rejected(path, write, stored):
    now = seconds_ago()
    body = (
        f'ok,robot=SN-1 a=1,text="no number",b=2 {now}\n'
        "nonsense\n"
        f"ok,robot=SN-404 a=1 {now}\n"
        f"{'long' * 30},robot=SN-1 a=1 {now}\n"
        f"ok,robot=SN-1 c=1 {now + 3600}\n"
        f"ok,robot=SN-1 a=7 {now}\n"
        f"ok,robot=SN-1 d=4 {now}"
    )
    response = write(body, path, "?precision=s")
    assert response.status_code == 400
    error = response.json()
    assert error["code"] == "invalid"
    assert error["message"].startswith("partial write: line 1: not_numeric: ")
    assert error["message"].endswith(" dropped=6")
    assert error["error"] == error["message"]
    assert (error["accepted"], error["duplicate"]) == (3, 0)
    assert [(item["line"], item["code"]) for item in error["rejected"]] == [
        (1, "not_numeric"),
        (2, "invalid"),
        (3, "unknown_robot"),
        (4, "metric_name"),
        (5, "clock_skew"),
        (6, "conflict"),
    ]
    assert stored() == {"ok.a": 1.0, "ok.b": 2.0, "ok.d": 4.0}


def test_write_all_rejected_gets_400(write, stored):
    response = write("nonsense")
    assert response.status_code == 400
    assert response.json()["accepted"] == 0
    assert stored() == {}


@BOTH
def test_write_empty_body_gets_204(path, write):
    assert write("", path).status_code == 204
    assert write("# nothing\n\n", path).status_code == 204


def test_write_robot_key_defaults_to_its_robot_only(
    organization_a, make_robot, make_key, robot, stored
):
    make_robot(organization_a, serial_number="SN-2")
    own = {"authorization": f"Token {make_key(organization_a, robot=robot)}"}
    body = "m v=1\nm,robot=SN-1 w=2\nm,robot=SN-2 x=3"
    response = Client().post(V2, body, content_type="text/plain", headers=own)
    assert [item["line"] for item in response.json()["rejected"]] == [3]
    assert stored() == {"m.v": 1.0, "m.w": 2.0}


def test_write_unbound_key_without_robot_is_rejected(write):
    assert write("m v=1").json()["rejected"][0]["code"] == "unknown_robot"


def test_write_robot_of_other_organization_is_unknown(organization_b, make_key, robot, stored):
    headers = {"authorization": f"Token {make_key(organization_b)}"}
    body = f"m,robot=SN-1 v=1\nm,robot_id={robot.pk} v=2"
    response = Client().post(V2, body, content_type="text/plain", headers=headers)
    assert [item["code"] for item in response.json()["rejected"]] == ["unknown_robot"] * 2
    assert stored() == {}


def test_write_more_values_than_a_batch_are_stored(write, stored, settings):
    settings.TELEMETRY_MAX_POINTS = 4
    fields = ",".join(f"f{n}={n}" for n in range(10))
    text = f'm,robot=SN-1 {fields}\nm,robot=SN-1 t="text",g=1,f3=99'
    response = write(text)
    assert [(item["index"], item["line"]) for item in response.json()["rejected"]] == [
        (10, 2),
        (12, 2),
    ]
    assert response.json()["accepted"] == len(stored()) == 11


def test_write_too_many_lines_or_values_get_413(write, settings, stored):
    settings.TELEMETRY_MAX_POINTS = 4
    fields = ",".join(f"f{n}={n}" for n in range(41))
    for text in ("m,robot=SN-1 v=1\n" * 5, f"m,robot=SN-1 {fields}"):
        response = write(text)
        assert (response.status_code, response.json()["code"]) == (413, "request too large")
    assert stored() == {}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@BOTH
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Token {}"}, ""),
        ({"authorization": "token  {} "}, ""),
        ({"authorization": "Token someone:{}"}, ""),
        ({"authorization": "Bearer {}"}, ""),
        ({"x-api-key": "{}"}, ""),
        ({"authorization": "BASIC"}, ""),
        ({}, "?u=someone&p={}"),
        ({}, "?p={}"),
    ],
)
def test_write_accepts_key_in_influx_places(path, headers, query, key, robot):
    headers = {
        name: basic(f"someone:{key}") if value == "BASIC" else value.format(key)
        for name, value in headers.items()
    }
    response = Client().post(
        path + query.format(key), "m,robot=SN-1 v=1", content_type="text/plain", headers=headers
    )
    assert response.status_code == 204, response.content


@BOTH
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({}, "?u=a&p=nonsense"),
        ({"authorization": "Token nonsense"}, ""),
        ({"authorization": "Token"}, ""),
        ({"authorization": "Basic ???"}, ""),
        ({"authorization": "Basic /w=="}, ""),
        ({"authorization": basic("someone:nonsense")}, ""),
        ({"authorization": "Digest x"}, ""),
    ],
)
def test_write_invalid_key_gets_401(db, path, headers, query):
    response = Client().post(path + query, "m v=1", content_type="text/plain", headers=headers)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthorized"
    assert response["www-authenticate"]


@BOTH
def test_write_revoked_key_gets_401(path, write, tenant, organization_a):
    from apps.accounts.models import ApiKey

    assert write("m,robot=SN-1 v=1", path).status_code == 204
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert write("m,robot=SN-1 v=1", path).status_code == 401


@BOTH
def test_write_key_without_scope_gets_403(path, organization_a, make_key):
    headers = {"authorization": f"Token {make_key(organization_a, ['telemetry:read'])}"}
    response = Client().post(path, "m v=1", content_type="text/plain", headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


@BOTH
def test_write_user_session_gets_401(path, alice, client_for):
    assert client_for(alice).post(path, "m v=1", content_type="text/plain").status_code == 401


@BOTH
def test_other_urls_do_not_accept_influx_key_places(path, key):
    """A password parameter or `Authorization: Token` is ignored by all other URLs."""
    assert Client().get(f"/api/v1/robots?p={key}").status_code == 401
    response = Client().get("/api/v1/robots", headers={"authorization": f"Token {key}"})
    assert response.status_code == 401


@BOTH
def test_write_other_methods_get_405(path, write):
    response = Client().get(path)
    assert (response.status_code, response["allow"]) == (405, "POST")


@BOTH
def test_write_lost_database_sends_retry_after(path, write, monkeypatch):
    def lost(**_):
        raise OperationalError

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", lost)
    response = write("m,robot=SN-1 v=1", path)
    assert response.status_code == 503
    assert response["retry-after"]
    assert response.json()["code"] == "unavailable"


def influx_error(response):
    """Return status, code and message, as InfluxDB clients read them."""
    assert response["Content-Type"] == "application/json"
    error = response.json()
    assert error["error"] == error["message"]  # is what InfluxDB 1 clients read
    return response.status_code, error["code"], error["message"]


@BOTH
def test_write_two_credentials_get_influx_error(path, write):
    status, code, message = influx_error(write("m,robot=SN-1 v=1", path, "?p=secret"))
    assert (status, code) == (400, "invalid")
    assert message.startswith("The request contains more than one credential.")


@BOTH
def test_write_from_foreign_network_gets_influx_error(path, organization_a, make_key, tenant):
    key = make_key(organization_a, allowed_networks=["192.0.2.0/24"])
    response = Client().post(
        path, "m v=1", content_type="text/plain", headers={"authorization": f"Token {key}"}
    )
    status, code, message = influx_error(response)
    assert (status, code) == (403, "forbidden")
    assert message == "This API key may not be used from this IP address."
    with tenant(organization_a):  # the audit log has the reason, not InfluxDB's code
        row = AuditLog.objects.filter(action="accounts.access.deny").get()
        assert row.error_message == "address_not_allowed"


@BOTH
def test_write_over_rate_limit_gets_influx_error(path, organization_a, make_key, robot):
    headers = {"authorization": f"Token {make_key(organization_a, rate_limit=1)}"}
    responses = [
        Client().post(path, "m,robot=SN-1 v=1", content_type="text/plain", headers=headers)
        for _ in range(2)
    ]
    status, code, message = influx_error(responses[1])
    assert (status, code) == (429, "too many requests")
    assert message.startswith("At most 1 requests per minute")
    assert int(responses[1]["Retry-After"]) >= 1


@BOTH
def test_write_unexpected_error_gets_influx_error(path, write, monkeypatch):
    def fail(**_):
        raise RuntimeError

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", fail)
    status, code, _ = influx_error(write("m,robot=SN-1 v=1", path))
    assert (status, code) == (500, "internal error")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=60) | st.text('mv,= "\\\n\r1ie.-T#\x00ü', max_size=60).map(str.encode),
    encoding=st.sampled_from(["", "gzip", "zstd", "br", "identity"]),
    query=st.sampled_from(["", "?precision=s", "?precision=%00", "?p=%ff", "?bucket=%00"]),
    path=st.sampled_from([V1, V2]),
)
def test_write_invalid_input_gets_clear_error(write, body, encoding, query, path):
    response = write(body, path, query, **{"content-encoding": encoding})
    assert response.status_code in {204, 400, 415}
    if response.status_code != 204:
        assert response["Content-Type"] == "application/json"
        assert {"code", "message", "error"} <= set(response.json())


def test_write_keeps_different_names_different_and_says_so(write, stored):
    response = write(
        "plc,robot=SN-1 温度=21.5,湿度=55\n"
        "joint,robot=SN-1 J1-temp=40,J1_temp=55\nm,robot=SN-1 ok=1"
    )

    assert response.status_code == 204
    values = stored()
    assert sorted(values.values()) == [1.0, 21.5, 40.0, 55.0, 55.0]
    renamed = json.loads(response["X-Renamed-Metrics"])
    assert {name: values[metric] for name, metric in renamed.items()} == {
        "plc 温度": 21.5, "plc 湿度": 55.0, "joint J1-temp": 40.0, "joint J1_temp": 55.0,
    }  # fmt: skip
    assert "X-Renamed-Metrics" not in write("m,robot=SN-1 ok=2")


def test_partial_write_lists_changed_names(write):
    response = write('m A=1,text="x"')

    assert response.status_code == 400
    assert list(response.json()["renamed"]) == ["m A"]


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_write_ignores_byte_order_mark(encoding, write, stored):
    body = b"\xef\xbb\xbfm,robot=SN-1 a=1\nm,robot=SN-1 b=1"
    response = write(gzip.compress(body) if encoding else body, content_encoding=encoding)

    assert response.status_code == 204
    assert stored() == {"m.a": 1.0, "m.b": 1.0}
