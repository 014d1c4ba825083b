"""Cached keys and robots of several processes store nothing after revocation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import installation

IN_TENANT = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.models import ApiKey
from apps.robots.models import Robot
from apps.robots.services.robots import robot_retire
from urfmp.common.tenancy.context import tenant_transaction
with tenant_transaction(user_organization_id("a@acme.example")):
    {}
"""


@pytest.fixture(scope="module")
def server():
    with installation(workers=3) as running:
        yield running


def statuses(server, count=36):
    """Send over separate connections, which reach all processes."""
    with ThreadPoolExecutor(12) as pool:
        return {*pool.map(lambda value: server.ingest(float(value))[0], range(count))}


def change(server, statement):
    server.manage("shell", "-v0", "-c", IN_TENANT.format(statement))


def test_revoked_key_stores_nothing_in_any_process(server):
    assert statuses(server) == {200}
    assert statuses(server) == {200}
    change(server, "ApiKey.objects.update(is_active=False)")
    assert statuses(server) == {401}
    change(server, "ApiKey.objects.update(is_active=True)")
    assert statuses(server) == {200}


def test_retired_robot_stores_nothing_in_any_process(server):
    assert statuses(server) == {200}
    change(server, "ApiKey.objects.update(robot=None)")
    change(server, "robot_retire(Robot.objects.get())")
    # The key is no longer bound to a robot, so it names none by itself.
    assert statuses(server) <= {401, 422}
    assert statuses(server) == {422}
