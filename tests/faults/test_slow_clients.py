"""Slow clients do not slow the others down, behind the proxy or without it.

`URFMP_ATTACK_SECONDS` sets the length of each attack; `make proof` uses a minute.
"""

from __future__ import annotations

import os

import pytest

from tests.support.server import installation
from tests.support.slow_clients import ATTACKS, measure, percentile, under_attack

SECONDS = float(os.environ.get("URFMP_ATTACK_SECONDS", "5"))
# Without a proxy a flood of connections costs time; what it holds is bounded all the same.
MAX_P99_SECONDS = {"proxy": 0.25, "direct": 2.0}


@pytest.fixture(scope="module")
def server():
    with installation(live=True, workers=2) as running:
        yield running


def requests_of(server):
    """Return the requests of a normal client by name: a health check, a page, the API."""

    def get(path, **headers):
        def request(link):
            link.request("GET", path, headers={"X-API-Key": server.key} | headers)
            response = link.getresponse()
            response.read()
            assert response.status < 500

        return request

    return {"health": get("/healthz"), "page": get("/admin/login/"), "api": get("/api/v1/robots")}


@pytest.fixture(scope="module", params=["proxy", "direct"])
def target(request, server):
    """Return the port under attack, requests, and their maximum p99 on a machine as busy as now."""
    url = {"proxy": server.url, "direct": server.web_url}[request.param]
    port = int(url.rpartition(":")[2])
    requests = requests_of(server)
    measure(port, 1.0, requests["page"])
    quiet = max(percentile(measure(port, 2.0, one), 0.99) for one in requests.values())
    return port, requests, max(MAX_P99_SECONDS[request.param], 2 * quiet)


@pytest.mark.parametrize("name", ATTACKS)
def test_normal_client_is_served_during_attack(name, target):
    port, requests, max_p99 = target
    with under_attack(port, ATTACKS[name]) as attacker:
        measure(port, 1.0, requests["health"])
        found = {
            kind: measure(port, SECONDS / len(requests), request)
            for kind, request in requests.items()
        }
    assert attacker.opened >= ATTACKS[name].connections
    report = {
        kind: f"p50 {percentile(times, 0.5) * 1000:.0f} ms, "
        f"p99 {percentile(times, 0.99) * 1000:.0f} ms of {len(times)}"
        for kind, times in found.items()
    }
    print(f"{name}: {report}")  # noqa: T201 - for `make proof`
    slowest = max(percentile(times, 0.99) for times in found.values())
    assert slowest < max_p99, report
