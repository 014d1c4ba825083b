from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from apps.audit.models import AuditLog
from apps.audit.selectors.chain import audit_verify
from apps.audit.services.audit_logs import audit_clean_up, audit_record
from apps.robots.models import Robot
from apps.robots.services.robots import robot_update
from tests.support.audit_records import record
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization(make_organization):
    return make_organization()


def test_chain_has_no_gaps_and_verifies(organization):
    record(organization, 5)
    with tenant_transaction(organization.id):
        numbers = list(AuditLog.objects.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert audit_verify() == []
    call_command("audit_verify")


def test_chain_keeps_order_within_transaction(organization):
    with tenant_transaction(organization.id):
        for number in range(5):
            audit_record(action=f"test.order.{number}")
    with tenant_transaction(organization.id):
        rows = AuditLog.objects.filter(action__startswith="test.order").order_by("seq")
        assert [row.action[-1] for row in rows] == list("01234")


def test_audit_verify_detects_200_changes(organization, superuser):
    record(organization, 40)
    randomness = random.Random(7)
    columns = {
        "action": "'forged'",
        "user_id": "NULL, api_key_id = gen_random_uuid()",
        "request_data": "'{\"number\": -1}'",
        "success": "NOT success",
        "created_at": "created_at - interval '1 microsecond'",
        "ip_address": "'10.9.8.7'",
        "error_message": "'x'",
        "seq": "seq + 1000",
        "hash": "sha256(hash)",
    }
    assert audit_verify() == []
    for _ in range(200):
        with superuser.transaction(force_rollback=True):
            number = randomness.randint(1, 40)
            where = f"WHERE organization_id = '{organization.id}' AND seq = {number}"
            column = randomness.choice([*columns, "DELETE"])
            if column == "DELETE":
                superuser.execute(f"DELETE FROM audit_logs {where}")
            else:
                superuser.execute(f"UPDATE audit_logs SET {column} = {columns[column]} {where}")
            found = superuser.execute("SELECT organization_id, seq FROM audit_verify()").fetchall()
            assert [row[0] for row in found] == [organization.id], (column, number)
            if column not in {"DELETE", "seq"}:
                assert found[0][1] == number, column


def test_audit_verify_detects_truncation_and_inserted_row(organization, superuser):
    record(organization, 5)
    forged = f"VALUES ('{organization.id}', 'forged', true, 99, 'x')"
    for statement in (
        "DELETE FROM audit_logs WHERE seq > 4",
        f"INSERT INTO audit_logs (organization_id, action, success, seq, hash) {forged}",
    ):
        with superuser.transaction(force_rollback=True):
            superuser.execute(statement)
            found = superuser.execute("SELECT organization_id FROM audit_verify()").fetchall()
            assert (organization.id,) in found


def test_verify_command_prints_row_and_exits_1(organization, superuser, capsys):
    record(organization, 3)
    superuser.execute("UPDATE audit_logs SET action = 'forged' WHERE seq = 2")
    with pytest.raises(CommandError) as raised:
        call_command("audit_verify")
    assert raised.value.returncode == 1
    assert "number 2" in capsys.readouterr().err


def test_audit_verify_detects_missing_chain_and_head(organization, superuser, capsys):
    """The remaining rows are consistent; only the organization without a chain is an error."""
    record(organization, 3)
    superuser.execute("DELETE FROM audit_logs WHERE organization_id = %s", [organization.id])
    superuser.execute("DELETE FROM audit_heads WHERE chain = %s", [organization.id])
    with pytest.raises(CommandError) as raised:
        call_command("audit_verify")
    assert raised.value.returncode == 1
    assert f"{organization.id}: after 0: the whole chain is missing" in capsys.readouterr().err


def test_parallel_writers_do_not_fork_chain(organization, make_robot):
    robots = [make_robot(organization) for _ in range(4)]
    errors = []

    def write(turn):
        try:
            for _ in range(10):
                with tenant_transaction(organization.id):
                    ordered = robots if turn % 2 else robots[::-1]
                    for robot in ordered[: 1 + turn % 4]:
                        audit_record(action="test.parallel", resource_id=robot.pk)
        except DatabaseError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert audit_verify() == []


def test_ordered_writers_do_not_deadlock(organization, make_robot):
    """Writers change several rows in one order; linking takes no lock out of that order."""
    robots = sorted((make_robot(organization) for _ in range(6)), key=lambda robot: str(robot.pk))

    def write(turn):
        for number in range(6):
            with tenant_transaction(organization.id):
                for robot in robots[turn % 3 :: 1 + number % 2]:
                    Robot.objects.filter(pk=robot.pk).update(name=f"{turn} {number}")
                    audit_record(action="test.ordered", resource_id=robot.pk)

    results = run_concurrently(*[partial(write, turn) for turn in range(8)])
    assert results == [None] * 8
    assert audit_verify() == []
    with tenant_transaction(organization.id):
        rows = AuditLog.objects.filter(action="robots.robot.update")
        assert rows.count() == AuditLog.objects.filter(action="test.ordered").count() > 100


def test_long_transaction_does_not_block_others(organization, make_robot):
    robot, other = make_robot(organization), make_robot(organization)
    started, may_finish = threading.Event(), threading.Event()

    def change_slowly():
        try:
            with tenant_transaction(organization.id):
                robot_update(robot, name="Slow")
                started.set()
                may_finish.wait(60)
        finally:
            connection.close()

    thread = threading.Thread(target=change_slowly)
    thread.start()
    assert started.wait(60)
    start = time.monotonic()
    for number in range(5):
        with tenant_transaction(organization.id):
            robot_update(other, name=f"Quick {number}")
            audit_record(action="test.quick")
    quick = time.monotonic() - start
    assert thread.is_alive()  # its rows are still locked, audited and not yet linked
    may_finish.set()
    thread.join()
    assert quick < 30
    assert audit_verify() == []


def old_row(superuser, organization):
    superuser.execute(
        "INSERT INTO audit_logs (organization_id, action, success, created_at)"
        " VALUES (%s, 'test.old', true, now() - interval '2 years')",
        [organization.id],
    )


def test_clean_up_keeps_rest_verifiable(organization, superuser):
    for pattern in ("oo.oo", "o.o", ".oo", "oo"):
        for letter in pattern:
            if letter == "o":
                old_row(superuser, organization)
            else:
                record(organization, 1)
        assert audit_clean_up() == pattern.count("o")
        assert audit_verify() == []
    gaps = superuser.execute("SELECT count(*) FROM audit_gaps").fetchone()[0]
    assert gaps == 4  # adjacent gaps are merged
    newest = superuser.execute("SELECT max(seq) FROM audit_logs").fetchone()[0]
    superuser.execute("UPDATE audit_logs SET action = 'forged' WHERE seq = %s", [newest])
    assert [mismatch.seq for mismatch in audit_verify()] == [newest]


def test_audit_verify_detects_gap_not_made_by_clean_up(organization, superuser):
    record(organization, 5)
    superuser.execute("DELETE FROM audit_logs WHERE seq = 3")
    assert [mismatch.seq for mismatch in audit_verify()] == [4]


def test_audit_verify_takes_less_than_three_times_hashing(organization, superuser):
    """Compare with the time of the hashes alone: 3 s for 100,000 rows on an idle machine."""
    superuser.execute(
        "INSERT INTO audit_logs (organization_id, action, success, request_data)"
        " SELECT %s, 'test.many', true, jsonb_build_object('number', n)"
        " FROM generate_series(1, 20000) n",
        [organization.id],
    )
    superuser.execute("ANALYZE audit_logs")

    def seconds(statement):
        start = time.monotonic()
        superuser.execute(statement)
        return time.monotonic() - start

    digest = "sha256(convert_to(to_jsonb(entry)::text, 'UTF8'))"
    hashing = f"SELECT sum(length({digest})) FROM audit_logs AS entry"
    pairs = [(seconds(hashing), seconds("SELECT * FROM audit_verify()")) for _ in range(5)]
    alone, verified = (min(times) for times in zip(*pairs, strict=True))
    assert audit_verify() == []
    assert verified < 3 * alone, f"{verified * 5:.2f} s for 100,000, {verified / alone:.1f}"
