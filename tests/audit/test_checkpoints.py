from __future__ import annotations

import json
import logging
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.audit.selectors.chain import audit_verify
from apps.audit.services.audit_logs import audit_clean_up, audit_record
from apps.audit.services.checkpoints import file as file_module
from apps.audit.services.checkpoints import writer
from apps.audit.services.checkpoints.file import (
    FILE_NAME,
    Checkpoint,
    CheckpointError,
    append_line,
    read_last_checkpoint,
)
from apps.audit.services.checkpoints.verification import checkpoints_verify
from apps.audit.services.checkpoints.writer import (
    checkpoint_write,
    public_key,
    signing_key,
)
from apps.audit.tasks import checkpoint
from tests.support.audit_records import record
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)

# Renumbers and rehashes a chain, as an attacker who controls the database could.
RELINK = """
    DO $$
    DECLARE
        entry audit_logs;
        last_hash bytea := '';
        number bigint := 0;
    BEGIN
        FOR entry IN SELECT * FROM audit_logs WHERE organization_id = '{id}' ORDER BY seq LOOP
            number := number + 1;
            entry.seq := number;
            last_hash := audit_digest(entry, last_hash);
            UPDATE audit_logs SET seq = number, hash = last_hash WHERE id = entry.id;
        END LOOP;
        UPDATE audit_heads SET seq = number, hash = last_hash WHERE chain = '{id}';
    END $$
"""


@pytest.fixture(autouse=True)
def key(settings, tmp_path):
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path / "checkpoints")
    settings.AUDIT_CHECKPOINT_KEY = bytes(range(32)).hex()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def organization(make_organization):
    return make_organization()


def verify(folder):
    return checkpoints_verify(folder, public_key())


def lines(folder):
    return (folder / FILE_NAME).read_text().splitlines(keepends=True)


def test_checkpoints_are_appended_and_verify(organization, folder, caplog):
    with caplog.at_level(logging.INFO, "apps.audit"):
        record(organization, 3)
        checkpoint(0)
        checkpoint(0)  # without changes except the checkpoint itself
        record(organization, 2)
        checkpoint(0)
    found = [json.loads(line) for line in lines(folder)]
    assert [item["number"] for item in found] == [1, 2, 3]
    assert [item["previous"] for item in found[1:]] == [item["signature"] for item in found[:2]]
    first, last = (item["heads"][str(organization.id)][0] for item in (found[0], found[-1]))
    assert last == first + 2
    assert sum("Audit checkpoint: " in line for line in caplog.messages) == 3
    assert verify(folder) == []
    call_command("audit_verify")


def test_checkpoint_without_folder_writes_nothing(settings, organization, folder):
    settings.AUDIT_CHECKPOINT_DIR = ""
    checkpoint(0)
    assert not folder.exists()
    call_command("audit_verify")
    with pytest.raises(CommandError, match="AUDIT_CHECKPOINT_DIR"):
        call_command("audit_checkpoint")


def test_checkpoints_detect_200_rewritten_chains(organization, superuser, folder):
    """Each chain is consistent, so that only the checkpoints reveal the change."""
    record(organization, 20)
    call_command("audit_checkpoint", verbosity=0)
    randomness = random.Random(11)
    columns = ("action", "user_agent", "error_message")
    for turn in range(200):
        with superuser.transaction(force_rollback=True):
            where = f"WHERE organization_id = '{organization.id}' AND seq"
            number = randomness.randint(1, 20)
            kind_of_change = randomness.choice(["change", "delete", "cut"])
            if kind_of_change == "change":
                column = randomness.choice(columns)
                superuser.execute(f"UPDATE audit_logs SET {column} = 'x{turn}' {where} = {number}")
            else:
                sign = "=" if kind_of_change == "delete" else ">="
                superuser.execute(f"DELETE FROM audit_logs {where} {sign} {number}")
            superuser.execute(RELINK.format(id=organization.id))
            assert superuser.execute("SELECT * FROM audit_verify()").fetchall() == []
            heads = json.loads(lines(folder)[-1])["heads"]
            found = superuser.execute(
                "SELECT chain FROM audit_compare(%s::uuid[], %s, %s)",
                [
                    list(heads),
                    [seq for seq, _ in heads.values()],
                    [bytes.fromhex(digest) for _, digest in heads.values()],
                ],
            ).fetchall()
            assert found == [(organization.id,)], (kind_of_change, number)


@pytest.mark.parametrize(
    "request_data", ['{"number": "x"}', '{"number": 0, "sha256": "x"}', "{}", "[]"]
)
def test_verify_with_invalid_checkpoint_row_reports_row(
    organization, superuser, folder, capsys, request_data
):
    """The altered row is reported all the same."""
    record(organization, 1)
    call_command("audit_checkpoint", verbosity=0)
    row_id = superuser.execute(
        "UPDATE audit_logs SET request_data = %s WHERE action = 'audit.record.checkpoint'"
        " RETURNING id",
        [request_data],
    ).fetchone()[0]
    with pytest.raises(CommandError) as raised:
        call_command("audit_verify")
    assert raised.value.returncode == 1
    printed = capsys.readouterr().err
    assert str(row_id) in printed
    assert "is invalid: it was altered" in printed


def test_checkpoints_detect_truncated_chain(organization, superuser, folder, capsys):
    record(organization, 5)
    call_command("audit_checkpoint", verbosity=0)
    superuser.execute("DELETE FROM audit_logs WHERE organization_id IS NOT NULL AND seq > 3")
    superuser.execute(RELINK.format(id=organization.id))
    assert audit_verify() == []
    with pytest.raises(CommandError) as raised:
        call_command("audit_verify")
    assert raised.value.returncode == 1
    printed = capsys.readouterr().err
    assert str(organization.id) in printed
    assert "the end was cut off" in printed


def test_checkpoints_detect_removed_chain(organization, superuser, folder):
    record(organization, 2)
    call_command("audit_checkpoint", verbosity=0)
    superuser.execute("DELETE FROM audit_logs WHERE organization_id IS NOT NULL")
    superuser.execute("DELETE FROM audit_heads WHERE chain = %s", [organization.id])
    assert superuser.execute("SELECT * FROM audit_verify()").fetchall() == []
    assert [error for error in verify(folder) if str(organization.id) in error]


def forge_gap(superuser, organization, first, last):
    superuser.execute(
        "INSERT INTO audit_gaps (chain, first_seq, last_seq, hash)"
        " SELECT organization_id, %s, seq, hash FROM audit_logs"
        " WHERE organization_id = %s AND seq = %s",
        [first, organization.id, last],
    )
    superuser.execute(
        "DELETE FROM audit_logs WHERE organization_id = %s AND seq BETWEEN %s AND %s",
        [organization.id, first, last],
    )


def test_checkpoints_detect_forged_gap(organization, superuser, folder):
    checkpoint_write(folder)
    record(organization, 6)
    checkpoint_write(folder)
    forge_gap(superuser, organization, 3, 4)
    assert audit_verify() == []
    (error,) = verify(folder)
    assert "numbers 3 to 4 are missing, though less than a year old" in error


def backdate(superuser, organization, days):
    """Let an organization exist for some days."""
    superuser.execute(
        "UPDATE audit_logs SET created_at = now() - make_interval(days => %s)"
        " WHERE organization_id = %s",
        [days, organization.id],
    )
    superuser.execute(RELINK.format(id=organization.id))


def test_checkpoints_verify_after_clean_up(organization, superuser, folder):
    now = timezone.now()
    backdate(superuser, organization, 800)
    checkpoint_write(folder, now=now - timedelta(days=800))
    for days in (790, 500, 380):
        superuser.execute(
            "INSERT INTO audit_logs (organization_id, action, success, created_at)"
            " VALUES (%s, 'test.old', true, %s)",
            [organization.id, now - timedelta(days=days)],
        )
        checkpoint_write(folder, now=now - timedelta(days=days - 1))
    record(organization, 3)
    checkpoint_write(folder)
    assert audit_clean_up() > 3
    assert audit_verify() == []
    assert verify(folder) == []
    checkpoint_write(folder)
    assert verify(folder) == []
    superuser.execute(
        "UPDATE audit_gaps SET hash = sha256(hash) WHERE chain = %s", [organization.id]
    )
    assert any("rewritten" in error for error in verify(folder))


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 5), (2, 3), (4, 7)])
def test_checkpoints_detect_removal_of_rows_before_the_first(
    first, last, organization, superuser, folder
):
    record(organization, 8)
    checkpoint_write(folder)
    forge_gap(superuser, organization, first, last)
    assert audit_verify() == []
    (error,) = verify(folder)
    assert f"numbers {first} to {last} are missing, though less than a year old" in error


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_gaps",
        "UPDATE audit_gaps SET first_seq = first_seq + 1",
        "UPDATE audit_gaps SET last_seq = last_seq - 1",
        "UPDATE audit_gaps SET hash = sha256(hash)",
    ],
)
def test_checkpoints_detect_altered_gap(change, organization, superuser, folder):
    backdate(superuser, organization, 800)
    superuser.execute(
        "INSERT INTO audit_logs (organization_id, action, success, created_at)"
        " SELECT %s, 'test.old', true, now() - interval '2 years' FROM generate_series(1, 3)",
        [organization.id],
    )
    assert audit_clean_up() > 3
    record(organization, 2)
    checkpoint_write(folder)
    assert verify(folder) == []
    superuser.execute(f"{change} WHERE chain = %s", [organization.id])
    assert any("was altered" in error for error in verify(folder))


def test_checkpoints_of_earlier_versions_verify(organization, folder):
    """Their lines have neither oldest rows nor gaps."""
    record(organization, 2)
    written = checkpoint_write(folder)
    old = replace(written, oldest=None, gaps=None, signature="").signed(signing_key())
    assert "oldest" not in old.line()
    (folder / FILE_NAME).write_text(old.line())
    assert [error for error in verify(folder) if "differs" not in error] == []
    checkpoint_write(folder)
    assert verify(folder) == []


@pytest.mark.parametrize("secret", ["\\x", "\\x00", None])
def test_runtime_role_cannot_record_a_forged_checkpoint(secret, organization, folder, tenant):
    checkpoint_write(folder)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_checkpoint_seal()")
        label = cursor.fetchone()[0]
        for number in (2, 99_999):
            cursor.execute(
                "SELECT audit_checkpoint_record(%s, 'x', %s, %s, 'x')", [number, secret, label]
            )
            assert cursor.fetchone() == (False,)
    for number in (1, 2, 99_999):
        with pytest.raises(DatabaseError, match="Only audit_checkpoint_record"):
            audit_record(action="audit.record.checkpoint", request_data={"number": number})
        with (
            pytest.raises(DatabaseError, match="Only audit_checkpoint_record"),
            tenant(organization),
        ):
            audit_record(action="audit.record.checkpoint", request_data={"number": number})
    for statement in ("SELECT * FROM", "DELETE FROM", "UPDATE %s SET seal = 'x' --"):
        sql = statement % "audit_checkpoint_seals" if "%s" in statement else statement
        with pytest.raises(DatabaseError, match="permission denied"):
            connection.cursor().execute(f"{sql} audit_checkpoint_seals")
    assert verify(folder) == []
    assert checkpoint_write(folder).number == 2
    assert verify(folder) == []


def test_secret_of_a_checkpoint_is_not_valid_twice(organization, folder):
    checkpoint_write(folder)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_checkpoint_seal()")
        spent = writer._secret(str(cursor.fetchone()[0]))
    checkpoint_write(folder)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_checkpoint_record(3, 'x', %s, gen_random_uuid(), 'x')", [spent]
        )
        assert cursor.fetchone() == (False,)


def test_checkpoint_with_other_key_needs_the_owners_consent(organization, folder, settings):
    checkpoint_write(folder)
    settings.AUDIT_CHECKPOINT_KEY = bytes(32).hex()
    with pytest.raises(CheckpointError, match="--new-key"):
        checkpoint_write(folder)
    assert len(lines(folder)) == 1
    (folder / FILE_NAME).rename(folder / "old")
    call_command("audit_checkpoint", "--new-key", verbosity=0)
    assert verify(folder) == []


def test_checkpoint_after_restored_backup_starts_a_new_file(organization, folder, tmp_path):
    checkpoint_write(folder)
    assert checkpoint_write(tmp_path / "other").number == 1
    assert checkpoints_verify(tmp_path / "other", public_key()) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda rows: rows[:-1], "lacks checkpoint 4"),
        (lambda rows: [], "lacks checkpoint 4"),
        (lambda rows: rows[1:], "before 2 are missing"),
        (lambda rows: [rows[0], *rows[2:]], "before 3 are missing"),
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], "before 3 are missing"),
        (lambda rows: [*rows[:-1], rows[-1].replace('"time":"2', '"time":"3')], "was altered"),
        (lambda rows: [*rows[:-1], rows[-1][:60] + "\n"], "contains an invalid line"),
        (lambda rows: [*rows, rows[-1]], "before 4 are missing"),
    ],
)
def test_checkpoints_verify_detects_missing_or_altered_line(organization, folder, change, error):
    for _ in range(4):
        checkpoint_write(folder)
    (folder / FILE_NAME).write_text("".join(change(lines(folder))))
    (found,) = verify(folder)
    assert error in found


def test_checkpoints_verify_with_other_key_fails(organization, folder, settings):
    checkpoint_write(folder)
    settings.AUDIT_CHECKPOINT_KEY = bytes(32).hex()
    (error,) = verify(folder)
    assert "not signed with this key" in error
    with pytest.raises(CommandError):
        call_command("audit_verify")
    settings.AUDIT_CHECKPOINT_KEY = bytes(range(32)).hex()
    call_command("audit_verify", f"--public-key={public_key()}", f"--checkpoints={folder}")


def test_concurrent_checkpoints_are_serialized(organization, folder):
    results = run_concurrently(*[lambda: checkpoint_write(folder)] * 6)
    assert sorted(item.number for item in results) == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line)["number"] for line in lines(folder)] == [1, 2, 3, 4, 5, 6]
    assert verify(folder) == []


def test_checkpoint_replaces_incomplete_line(organization, folder):
    checkpoint_write(folder)
    with (folder / FILE_NAME).open("a") as file:
        file.write('{"number": 2, "ti')
    assert checkpoint_write(folder).number == 2
    assert verify(folder) == []


def test_checkpoint_command_reports_write_error(organization, folder, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_module.os, "fsync", fail)
    with pytest.raises(CommandError, match="No space left"):
        call_command("audit_checkpoint")
    monkeypatch.undo()


def test_last_checkpoint_longer_than_buffer_is_read(make_organization, folder):
    for _ in range(3):
        make_organization()
    heads = {f"{n:032x}": (n, "00" * 32) for n in range(2000)}
    long = Checkpoint(1, timezone.now(), heads, "", "")
    assert len(long.line()) > 2 * 65_536
    folder.mkdir()
    append_line(folder / FILE_NAME, long.line())
    assert len(read_last_checkpoint(folder / FILE_NAME).heads) == 2000
