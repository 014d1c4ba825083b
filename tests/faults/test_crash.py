"""Acknowledged points are stored once, whichever process is killed.

Control runs prove that the test would find a lost or repeated point. kill -9 is not a power
failure: the kernel still writes its buffers to the disk.
"""

from __future__ import annotations

import os
import random
import time

import psycopg
import pytest

from tests.support.crash import TARGETS, Crashes, compare, finish, senders
from tests.support.server import installation

KILLS = int(os.environ.get("URFMP_KILLS", "12"))
NO_LIMIT = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.models import ApiKey
from urfmp.common.tenancy.context import tenant_transaction
with tenant_transaction(user_organization_id("a@acme.example")):
    ApiKey.objects.update(rate_limit=None)
"""


@pytest.fixture
def server():
    with installation(workers=2) as running:
        running.manage("shell", "-v0", "-c", NO_LIMIT)
        yield running


def run(server, crashes, name, kills):
    """Send during the kills; return the senders once everything is acknowledged."""
    running = senders(server, name)
    for sender in running:
        sender.start()
    crashes.run(kills)
    time.sleep(0.5)
    finish(running)
    assert not [rejection for sender in running for rejection in sender.rejections]
    return running


def statement(server, *texts):
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"], autocommit=True) as connection:
        for text in texts:
            connection.execute(text)


def test_acknowledged_points_are_stored_once(server):
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - to repeat the run
    crashes = Crashes(server, seed)
    try:
        running = run(server, crashes, "proof", KILLS)
        found = compare(server, running)
        print(found, crashes.killed)  # noqa: T201
        assert not found.differences, found
        assert found.acknowledged > 20 * KILLS
        assert set(crashes.killed) == set(TARGETS[:KILLS])
        assert sum(crashes.killed.values()) == KILLS
        # The senders did experience the crashes.
        assert sum(sender.answers[0] + sender.answers[503] for sender in running) >= KILLS / 4

        _loses_without_durable_commits(server, crashes)
        _repeats_without_the_unique_key(server)
    finally:
        crashes.stop()


def _loses_without_durable_commits(server, crashes):
    """Control: the comparison must find points lost by commits that are not durable."""
    statement(
        server,
        "ALTER ROLE urfmp_app SET synchronous_commit = off",
        # Otherwise the WAL writer would save most of it in time.
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "ALTER SYSTEM SET wal_writer_flush_after = '1GB'",
    )
    crashes.kill("database")
    crashes._wait_for_service()
    # Occasionally something else flushes the WAL just before the crash.
    found = any(_loses_points(server, crashes, f"control{turn}") for turn in range(3))
    statement(
        server,
        "ALTER ROLE urfmp_app RESET synchronous_commit",
        "ALTER SYSTEM RESET wal_writer_delay",
        "ALTER SYSTEM RESET wal_writer_flush_after",
    )
    crashes.kill("database")
    crashes._wait_for_service()
    assert found


def _loses_points(server, crashes, name):
    running = senders(server, name)
    for sender in running:
        sender.start()
    time.sleep(1.5)
    finish(running)
    crashes.kill("database")
    crashes._wait_for_service()
    return compare(server, running).missing > 0


def _repeats_without_the_unique_key(server):
    """Control: without the unique key, repeated points are stored twice."""
    statement(
        server,
        "ALTER TABLE robot_telemetry DROP CONSTRAINT robot_telemetry_robot_metric_time_key",
    )
    running = senders(server, "control.unique")
    for sender in running:
        sender.start()
    time.sleep(1.0)
    finish(running)
    assert compare(server, running).duplicated > 0
