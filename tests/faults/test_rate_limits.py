"""Exactly the limit is admitted by several processes, with and without Redis."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.test_services_unavailable import redis_pid
from tests.support.server import embedded, installation

LIMIT, REQUESTS, CONNECTIONS = 100, 600, 64

MAKE_KEY = f"""
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.users import system_user_get
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    _, key = api_key_create(organization_id=o, user=system_user_get(organization_id=o),
                            name="k", permissions=["robots:read"], rate_limit={LIMIT})
print(key)
"""


@pytest.fixture(scope="module")
def server():
    with installation(workers=3) as running:
        yield running


def new_key(server):
    return server.manage("shell", "-v0", "-c", MAKE_KEY).strip()


def send(server, key, requests=REQUESTS, connections=CONNECTIONS):
    """Send requests over connections that start together; count the statuses."""
    host = server.url.removeprefix("http://")
    barrier = threading.Barrier(connections)
    shares = [len(range(start, requests, connections)) for start in range(connections)]

    def run(share):
        barrier.wait(timeout=30)
        statuses = []
        connection = http.client.HTTPConnection(host, timeout=60)
        for _ in range(share):
            connection.request("GET", "/api/v1/robots", headers={"X-API-Key": key})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    with ThreadPoolExecutor(connections) as pool:
        return Counter(status for done in pool.map(run, shares) for status in done)


def test_rate_limit_admits_exactly_the_limit(server):
    assert send(server, new_key(server)) == {200: LIMIT, 429: REQUESTS - LIMIT}


def test_rate_limited_large_batch_gets_429(server):
    key = new_key(server)
    send(server, key, LIMIT, 8)
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    for _ in range(5):
        status, answer, body, _ = server.call("/api/v1/telemetry", b" " * 8_000_000, **headers)
        assert status == 429
        assert int(answer["Retry-After"]) > 0
        assert json.loads(body)["code"] == "rate_limited"


def test_rate_limit_without_redis_admits_exactly_the_limit(server):
    key, used = new_key(server), new_key(server)
    assert send(server, used, 40, 4) == {200: 40}
    os.kill(redis_pid(server), signal.SIGKILL)
    try:
        assert send(server, key) == {200: LIMIT, 429: REQUESTS - LIMIT}
        # Hits counted in Redis are lost: at most one more window's hits, once.
        assert send(server, used, 2 * LIMIT, 8) == {200: LIMIT, 429: LIMIT}
        assert server.ingest(1.0)[0] == 200
        with ThreadPoolExecutor(24) as pool:
            statuses = Counter(pool.map(lambda _: server.try_login("wrong")[0], range(24)))
        assert statuses == {400: 10, 429: 14}
    finally:
        embedded("up", server.state)
