"""Tests of the benchmark's own parts; `make bench` runs the measurements."""

from __future__ import annotations

import http.server
import importlib
import inspect
import threading
from datetime import UTC, datetime
from itertools import islice, repeat
from uuid import uuid4

import pytest
from django.db import connection

from apps.telemetry.protocols.json import decode_json
from benchmarks import load
from benchmarks.__main__ import row_names
from benchmarks.fleet import COPY, COPY_HEADER, COPY_TRAILER, Fleet, body, copy_rows, gateway_points
from benchmarks.result import Result, table
from benchmarks.server import production_command


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers = iter(())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = next(type(self).answers)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


def test_load_counts_responses(address):
    Handler.answers = iter([(200, {})] * 30)
    group = load.ClientGroup(iter([load.request_bytes("/", {}, b"x" * 300_000)] * 30), 4)
    assert load.run(address, group) > 0
    assert group.statuses == {200: 30}
    assert len(group.seconds) == len(group.answered) == 30


def test_load_retries_rejected_requests(address):
    Handler.answers = iter([(503, {"Retry-After": "1"}), (429, {}), (200, {})])
    group = load.ClientGroup(iter([load.request_bytes("/", {}, b"x")]), 1, retries_rejected=True)
    load.run(address, group)
    assert group.statuses == {503: 1, 429: 1, 200: 1}
    assert group.missing_retry_after == 1


def test_load_stops_after_its_time(address):
    Handler.answers = repeat((200, {}))
    group = load.ClientGroup(repeat(load.request_bytes("/", {}, b"x")), 2)
    assert load.run(address, group, seconds=0.2) < 5


def test_every_row_has_a_run_function():
    for name in row_names():
        module = importlib.import_module(f"benchmarks.rows.{name}")
        assert [*inspect.signature(module.run).parameters] == ["bench"]


def test_table_ends_with_last_row():
    rows = [Result(name, "1", "2", "0.5", ">= 1", name == "b") for name in "ab"]
    last = table(rows).splitlines()[-1]
    assert [cell.strip() for cell in last.split("|")[1:-1]] == ["b", "1", "2", "0.5", ">= 1", "ok"]


def test_production_command_is_the_compose_command():
    assert production_command()[:2] == ["gunicorn", "urfmp.wsgi:application"]
    assert "--worker-class=urfmp.servers.gunicorn.Worker" in production_command()


def test_http_body_and_copy_rows_hold_the_same_points(organization_a, make_robot, tenant):
    robots = [make_robot(organization_a).pk for _ in range(20)]
    fleet = Fleet(uuid4(), robots, "key")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    batches = list(islice(gateway_points(fleet, start, batch=500), 3))
    with tenant(organization_a), connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.write(COPY_HEADER)
            for batch in batches:
                copy.write(copy_rows(batch))
            copy.write(COPY_TRAILER)
        cursor.execute("SELECT count(*), sum(value) FROM robot_telemetry")  # not a tenant table
        count, total = cursor.fetchone()
    sent = [
        point for batch in batches for _, point in decode_json(body(batch), max_points=500).points
    ]
    assert count == len(sent) == 1500
    assert total == pytest.approx(sum(point.value for point in sent))
