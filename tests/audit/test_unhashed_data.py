"""Data that no hash covers, and the checkpoint of a new organization."""

from __future__ import annotations

from pathlib import Path

import pytest
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.audit.selectors.chain import audit_verify
from apps.audit.services.checkpoints.verification import checkpoints_verify
from apps.audit.services.checkpoints.writer import public_key
from tests.support.audit_records import record

pytestmark = pytest.mark.django_db(transaction=True)

GAP = "INSERT INTO audit_gaps (chain, first_seq, last_seq, hash) VALUES (%s, %s, %s, '')"


def mismatches():
    return [(item.organization_id, item.seq, item.error) for item in audit_verify()]


@pytest.mark.parametrize(("first", "last"), [(2, 3), (4, 1_000), (1_000, 1_001), (0, 0)])
def test_audit_verify_detects_forged_gap(first, last, make_organization, superuser):
    organization = make_organization()
    record(organization, 5)
    assert mismatches() == []
    superuser.execute(GAP, [organization.id, first, last])
    assert mismatches() == [(organization.id, first, "a recorded gap is not a gap")]


def test_audit_verify_detects_gap_without_chain(make_organization, superuser):
    record(make_organization(), 1)
    superuser.execute(GAP.replace("%s", "gen_random_uuid()", 1), [1, 1])
    ((_, seq, error),) = mismatches()
    assert (seq, error) == (1, "a recorded gap is not a gap")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_audit_verify_detects_changed_netmask(address, make_organization, superuser):
    organization = make_organization()
    number = "SELECT max(seq) FROM audit_logs WHERE organization_id = %s"
    superuser.execute(
        "INSERT INTO audit_logs (organization_id, action, success, ip_address)"
        " VALUES (%s, 'test.act', true, %s)",
        [organization.id, address],
    )
    assert mismatches() == []
    seq = superuser.execute(number, [organization.id]).fetchone()[0]
    superuser.execute(
        "UPDATE audit_logs SET ip_address = set_masklen(ip_address, 24)"
        " WHERE organization_id = %s AND seq = %s",
        [organization.id, seq],
    )
    assert mismatches() == [(organization.id, seq, "its address was changed")]


def test_audit_verify_detects_changed_ordinal(make_organization, superuser):
    organization = make_organization()
    record(organization, 3)
    assert superuser.execute("SELECT count(ordinal) FROM audit_logs").fetchone() == (0,)
    assert mismatches() == []
    superuser.execute(
        "UPDATE audit_logs SET ordinal = 7 WHERE organization_id = %s AND seq = 2",
        [organization.id],
    )
    assert mismatches() == [(organization.id, 2, "its ordinal was changed")]


def test_new_organization_enqueues_checkpoint(make_organization, superuser, tmp_path, settings):
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path)
    settings.AUDIT_CHECKPOINT_KEY = bytes(range(32)).hex()
    make_organization()
    organization = make_organization()  # one queued job covers both
    (job,) = ProcrastinateJob.objects.filter(task_name="audit.checkpoint")
    app.tasks[job.task_name].func(**job.args)
    record(organization, 4)
    superuser.execute(
        "INSERT INTO audit_gaps (chain, first_seq, last_seq, hash)"
        " SELECT organization_id, seq, seq, hash FROM audit_logs"
        " WHERE organization_id = %s AND action = 'test.act.2'",
        [organization.id],
    )
    superuser.execute("DELETE FROM audit_logs WHERE action = 'test.act.2'")
    assert mismatches() == []
    (error,) = checkpoints_verify(Path(tmp_path), public_key())
    assert str(organization.id) in error
    assert "though less than a year old" in error
