"""The hash of an audit row covers every column."""

from __future__ import annotations

import pytest

from apps.audit.services.audit_logs import audit_record
from urfmp.common.tenancy.context import Actor, tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = {
    "boolean": "NOT {0}",
    "uuid": "gen_random_uuid()",
    "jsonb": "'{{\"other\": 1}}'",
    "inet": "'198.51.100.1'",
    "bigint": "{0} + 1000",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "bytea": "sha256({0})",
    "text": "'other'",
    "character varying": "'other'",
}
# Foreign keys, which must reference an existing row.
REFERENCES = {"organization_id": "NULL", "user_id": "NULL", "api_key_id": "NULL"}
# Without a value in a row that is part of the chain.
EMPTY = {"ordinal": "7"}
FAULTS = "SELECT fault FROM audit_verify() UNION ALL SELECT fault FROM audit_verify_spare()"


def test_row_hash_covers_every_column(organization_a, alice, make_key, superuser, tenant):
    make_key(organization_a)
    key_id = superuser.execute("SELECT id FROM api_keys").fetchone()[0]
    actor = Actor(alice.pk, key_id, "192.0.2.7", "Browser/1", "request-1")
    with tenant_transaction(organization_a.pk, actor):
        row = audit_record(
            action="test.act",
            resource_type="robot",
            resource_id=alice.pk,
            error_message="why",
            request_data={"a": 1},
            response_data={"b": 2},
        )
    columns = superuser.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = 'audit_logs'"
    ).fetchall()
    assert len(columns) > 15
    assert superuser.execute(FAULTS).fetchall() == []
    undetected = set()
    for column, kind in columns:
        value = REFERENCES.get(column) or EMPTY.get(column) or OTHER[kind].format(column)
        with superuser.transaction(force_rollback=True):
            superuser.execute(f"UPDATE audit_logs SET {column} = {value} WHERE id = %s", [row])
            if not superuser.execute(FAULTS).fetchall():
                undetected.add(column)
    assert undetected == set()


@pytest.mark.parametrize("change", ["seq = seq + 1", "seq = seq - 1", "hash = sha256(hash)"])
def test_audit_verify_detects_changed_head(change, organization_a, superuser):
    chain = organization_a.pk
    assert superuser.execute("SELECT fault FROM audit_verify()").fetchall() == []
    superuser.execute(f"UPDATE audit_heads SET {change} WHERE chain = %s", [chain])
    found = superuser.execute("SELECT organization_id, fault FROM audit_verify()").fetchall()
    assert found == [(chain, "the end is missing")]


def test_audit_verify_detects_unlinked_row(organization_a, superuser):
    with superuser.transaction():
        superuser.execute("ALTER TABLE audit_logs DISABLE TRIGGER audit_link_trigger")
        superuser.execute(
            "INSERT INTO audit_logs (organization_id, action, success) VALUES (%s, 'a.b.c', true)",
            [organization_a.pk],
        )
        superuser.execute("ALTER TABLE audit_logs ENABLE TRIGGER audit_link_trigger")
    found = superuser.execute("SELECT organization_id, fault FROM audit_verify()").fetchall()
    assert found == [(organization_a.pk, "it is not part of the chain")]
