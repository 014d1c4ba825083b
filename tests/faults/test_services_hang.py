"""Services that hang instead of dying: stopped processes keep their connections open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.faults.test_services_unavailable import postmaster_pid, redis_pid
from tests.support.server import ROOT, installation

MAX_SECONDS = 5.0


@pytest.fixture(scope="module")
def server():
    with installation(live=True) as running:
        yield running


def children_of(process_id: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process_id:
            found.append(int(path.parent.name))
    return found


@contextmanager
def stopped(*process_ids: int):
    for process_id in process_ids:
        os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        for process_id in process_ids:
            os.kill(process_id, signal.SIGCONT)


@contextmanager
def stopped_database(server):
    """Stop the postmaster, so that no session begins, then those of its sessions that still run."""
    postmaster = postmaster_pid(server)
    with stopped(postmaster), ExitStack() as sessions:
        for process_id in children_of(postmaster):
            with suppress(ProcessLookupError):  # a session that has just ended
                sessions.enter_context(stopped(process_id))
        yield


def timed(call, *args, **kwargs):
    started = time.monotonic()
    status, headers, body, *_ = call(*args, **kwargs)
    lower = {name.lower(): value for name, value in headers.items()}
    return status, lower, body, time.monotonic() - started


def call_live(server, path, **headers):
    request = urllib.request.Request(server.live_url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, dict(response.headers), b""
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def wait_until_healthy(server):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        live = call_live(server, "/healthz")[0]
        if server.call("/healthz")[0] == live == 200 and server.ingest(0.0)[0] == 200:
            return
        time.sleep(0.1)
    raise AssertionError


def test_requests_to_hanging_database_get_503_within_seconds(server):
    cookie = server.login_cookie()
    wait_until_healthy(server)
    calls = [
        (server.call, "/api/v1/robots", {"X-API-Key": server.key}),
        (server.call, "/admin/", {"Cookie": cookie}),
        (call_live, server, "/api/v1/events", {"X-API-Key": server.key}),
    ]
    with stopped_database(server), ThreadPoolExecutor(20) as pool:
        pending = [pool.submit(timed, *call[:-1], **call[-1]) for call in calls * 4]
        pending += [pool.submit(timed, server.ingest, float(n)) for n in range(6)]
        answers = [task.result() for task in pending]
        for health in (timed(server.call, "/healthz"), timed(call_live, server, "/healthz")):
            assert health[0] == 503
            assert health[3] < 1.0
            answers.append(health)
        later = [timed(server.call, "/api/v1/robots", **{"X-API-Key": server.key})]
    assert {status for status, *_ in answers + later} == {503}
    assert all(int(headers["retry-after"]) > 0 for _, headers, *_ in answers + later)
    assert max(seconds for *_, seconds in answers) < MAX_SECONDS
    assert later[0][3] < 1.0
    wait_until_healthy(server)
    assert server.call("/admin/", Cookie=cookie)[0] == 200
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "Internal Server Error" not in log


def test_first_health_check_of_hanging_database_answers_at_once(server):
    wait_until_healthy(server)
    time.sleep(1)
    with stopped_database(server):
        for check in ((server.call, "/healthz"), (call_live, server, "/healthz")):
            status, headers, _, seconds = timed(*check)
            assert (status, headers["retry-after"]) == (503, "2")
            assert seconds < 2.0
    wait_until_healthy(server)


def test_points_sent_to_hanging_database_are_stored_once(server):
    wait_until_healthy(server)
    body = b'{"points": [{"metric_name": "hang", "time": "2026-06-01T00:00:00Z", "value": 1}]}'
    headers = {"Content-Type": "application/json", "X-API-Key": server.key}
    with stopped_database(server):
        assert server.call("/api/v1/telemetry", body, **headers)[0] == 503
    wait_until_healthy(server)
    assert server.call("/api/v1/telemetry", body, **headers)[0] == 200
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"]) as admin:
        count = admin.execute("SELECT count(*) FROM robot_telemetry WHERE metric_name = 'hang'")
        assert count.fetchone() == (1,)


def test_requests_with_hanging_redis_succeed(server):
    cookie = server.login_cookie()
    with stopped(redis_pid(server)):
        for _ in range(3):
            for call in (
                (server.ingest, 1.0),
                (server.call, "/api/v1/robots", {"X-API-Key": server.key}),
                (server.call, "/admin/", {"Cookie": cookie}),
            ):
                named = call[-1] if isinstance(call[-1], dict) else {}
                status, *_, seconds = timed(call[0], call[1], **named)
                assert status in {200, 403}, call
                assert seconds < MAX_SECONDS
        assert timed(server.call, "/healthz")[0] == 200
        assert server.call("/admin/", Cookie=server.login_cookie())[0] == 200


def test_worker_of_hanging_database_reports_it_and_continues(server, tmp_path):
    wait_until_healthy(server)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "run_worker"],
            cwd=ROOT,
            env={**server.environment, "LOG_LEVEL": "INFO"},
            stdout=output,
            stderr=output,
        )
    try:
        wait_for_rollup(server)
        with stopped_database(server):
            time.sleep(12)
            text = log.read_text()
            assert worker.poll() is None
        assert "timeout expired" in text or "does not answer" in text
        assert len(text.splitlines()) < 60
        assert "Traceback" not in text
        wait_until_healthy(server)
        server.ingest(5.0)
        wait_for_rollup(server)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


def wait_for_rollup(server):
    """Wait until the worker has claimed all points."""
    deadline = time.monotonic() + 60
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"], autocommit=True) as admin:
        while time.monotonic() < deadline:
            left = admin.execute(
                "SELECT count(*) FROM telemetry_batches WHERE rolled_up_at IS NULL"
            ).fetchone()
            if left == (0,):
                return
            time.sleep(0.2)
    raise AssertionError(left)
