"""What each of several processes remembers stores nothing that has ended meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import installation

INSIDE = """
from apps.accounts.selectors.credentials import user_organization
from apps.accounts.models import ApiKey
from apps.robots.models import Robot
from apps.robots.services.robots import robot_retire
from urfmp.common.tenancy.context import tenant_transaction
with tenant_transaction(user_organization("a@acme.example")):
    {}
"""


@pytest.fixture(scope="module")
def server():
    with installation(workers=3) as running:
        yield running


def statuses(server, count=36):
    """Send from connections of their own, which reach all of the processes."""
    with ThreadPoolExecutor(12) as pool:
        return {*pool.map(lambda value: server.ingest(float(value))[0], range(count))}


def change(server, statement):
    server.manage("shell", "-v0", "-c", INSIDE.format(statement))


def test_an_ended_key_stores_nothing_in_any_process(server):
    assert statuses(server) == {200}
    assert statuses(server) == {200}
    change(server, "ApiKey.objects.update(is_active=False)")
    assert statuses(server) == {401}
    change(server, "ApiKey.objects.update(is_active=True)")
    assert statuses(server) == {200}


def test_a_retired_robot_gets_nothing_in_any_process(server):
    assert statuses(server) == {200}
    change(server, "ApiKey.objects.update(robot=None)")
    change(server, "robot_retire(Robot.objects.get())")
    # The key names no robot by itself any more; before, it was the robot's.
    assert statuses(server) <= {401, 422}
    assert statuses(server) == {422}
