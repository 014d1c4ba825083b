"""Redis stopped and PostgreSQL restarted, with own services and a real server."""

from __future__ import annotations

import codecs
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psycopg
import pytest
import redis

from tests.support.server import ROOT, Server, embedded, installation


@pytest.fixture(scope="module")
def server():
    with installation() as running:
        yield running


def redis_pid(server: Server) -> int:
    password, port = re.search(
        r"redis://:([^@]+)@[^:]+:(\d+)", server.environment["REDIS_URL"]
    ).groups()
    with redis.Redis(port=int(port), password=password) as client:
        return client.info("server")["process_id"]


def postmaster_pid(server: Server) -> int:
    for path in server.state.rglob("postmaster.pid"):
        return int(path.read_text().split()[0])
    raise AssertionError


def test_pages_and_ingest_without_redis_still_work(server):
    cookie = server.login_cookie()
    assert server.call("/admin/", Cookie=cookie)[0] == 200
    os.kill(redis_pid(server), signal.SIGKILL)
    for _ in range(5):
        assert server.ingest(1.0)[0] == 200
        status, _, page, _ = server.call("/admin/", Cookie=cookie)
        assert status == 200, page[:300]
    assert server.call("/admin/", Cookie=server.login_cookie())[0] == 200
    embedded("up", server.state)
    assert server.ingest(1.0)[0] == 200


def test_download_whose_database_session_dies_looks_incomplete(server):
    points = 400_000
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(
            "INSERT INTO robot_telemetry (robot_id, metric_name, time, value)"
            " SELECT %s, 'load', now() - n * interval '1 second', n"
            " FROM generate_series(1, %s) AS n",
            [server.robot_id, points],
        )
        key = server.make_key("telemetry:read", "robots:read")
        path = "/api/v1/telemetry/export?format=csv&start=2026-01-01T00:00:00Z"
        request = urllib.request.Request(
            f"{server.url}{path}&end=2027-01-01T00:00:00Z", headers={"X-API-Key": key}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.read(13) == codecs.BOM_UTF8 + b"robot_id,r"
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'urfmp' AND query LIKE '%FETCH%'"
            )
            with pytest.raises(http.client.IncompleteRead) as raised:
                response.read()
        assert len(raised.value.partial) < points * 50
    log = server.log.read_text()
    assert "Traceback" not in log
    assert server.call("/healthz")[0] == 200


def test_database_restart_gets_503_then_recovers(server):
    cookie = server.login_cookie()
    os.kill(postmaster_pid(server), signal.SIGKILL)
    subprocess.run(["sleep", "0.3"], check=True)
    for path, headers in (
        ("/healthz", {}),
        ("/admin/", {"Cookie": cookie}),
        ("/api/v1/robots", {"X-API-Key": server.key}),
    ):
        status, answer, body, _ = server.call(path, **headers)
        assert status == 503, (path, status, body[:300])
        assert int(answer["Retry-After"]) > 0
    status, answer, body, _ = server.ingest(2.0)
    assert status == 503
    assert json.loads(body)["code"] == "unavailable"
    embedded("up", server.state)
    deadline = time.monotonic() + 30
    statuses = set()
    while time.monotonic() < deadline:
        statuses.add(server.ingest(3.0)[0])
        if server.call("/healthz")[0] == 200 and server.ingest(3.0)[0] == 200:
            break
        time.sleep(0.1)
    assert statuses <= {200, 503}
    assert "Traceback" not in server.log.read_text()
    for _ in range(12):  # every thread of the server has its own connection
        assert server.ingest(4.0)[0] == 200
        assert server.call("/admin/", Cookie=cookie)[0] == 200


@pytest.mark.parametrize("role", ["MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL"])
@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import urfmp.wsgi"),
        ("-c", "import urfmp.live.asgi"),
        ("manage.py", "run_worker"),
    ],
    ids=["web", "live", "worker"],
)
def test_start_as_owner_or_superuser_fails(server, role, command):
    environment = {**server.environment, "DATABASE_URL": server.environment[role]}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode != 0
    assert "urfmp_app" in done.stderr
