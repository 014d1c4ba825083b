from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time

import psycopg
import pytest

from urfmp.embedded.system.processes import is_running, processes_in


def test_up_twice_is_fast_and_keeps_processes(checkout):
    checkout.up()
    before = (checkout.postgres_pid, checkout.redis_pid)
    began = time.monotonic()
    checkout.up()
    assert time.monotonic() - began < 10
    assert (checkout.postgres_pid, checkout.redis_pid) == before


def test_bootstrap_creates_roles_database_and_extension(checkout):
    with checkout.connect() as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcanlogin FROM pg_roles "
            "WHERE rolname IN ('urfmp', 'urfmp_app') ORDER BY rolname"
        ).fetchall()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'urfmp'"
        ).fetchone()
        owned = connection.execute(
            "SELECT count(*) FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid "
            "WHERE rolname = 'urfmp_app' AND deptype = 'o'"
        ).fetchone()
        extension = connection.execute(
            "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"
        ).fetchone()
    assert rows == [
        ("urfmp", False, False, True, True),
        ("urfmp_app", False, False, False, True),
    ]
    assert (owner, owned, extension) == (("urfmp",), (0,), (1,))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("DATABASE_URL", "urfmp_app"),
        ("MIGRATION_DATABASE_URL", "urfmp"),
        ("ADMIN_DATABASE_URL", "postgres"),
    ],
)
def test_env_address_connects_as_its_role(checkout, name, role):
    with checkout.connect(name) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (
            role,
            "urfmp",
        )


def test_postgres_settings_are_durable(checkout):
    with checkout.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_owner_can_create_database_with_timescaledb(checkout):
    with checkout.connect("MIGRATION_DATABASE_URL") as connection:
        connection.execute("CREATE DATABASE test_of_owner")
    address = checkout.addresses()["MIGRATION_DATABASE_URL"].removesuffix("urfmp") + "test_of_owner"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
    with checkout.connect("MIGRATION_DATABASE_URL") as connection:
        connection.execute("DROP DATABASE test_of_owner WITH (FORCE)")


def test_env_output_can_be_evaluated_by_a_shell(checkout):
    lines = checkout.call("env").stdout
    shown = subprocess.run(
        ["sh", "-c", f'set -a; eval {shlex.quote(lines)}; printf "%s" "$DATABASE_URL"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == checkout.addresses()["DATABASE_URL"]
    assert "&" not in lines


def test_connect_wrong_password_fails(checkout):
    address = checkout.addresses()["DATABASE_URL"]
    password = address.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address.replace(password, "guess"))


def test_up_after_kill_keeps_data(checkout):
    with checkout.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for pid in (checkout.postgres_pid, checkout.redis_pid):
        os.kill(pid, signal.SIGKILL)
    checkout.up()
    with checkout.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_up_stale_lock_of_live_process_is_removed(checkout):
    checkout.call("down")
    # After a reboot the file's process id belongs to another program.
    lock = checkout.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{checkout.data}\n0\n5432\n\n\n\n\n")
    (checkout.state / "socket/.s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    checkout.up()
    assert checkout.running()


def test_up_restores_missing_roles_and_privileges(checkout):
    with checkout.connect() as connection:
        connection.execute("REVOKE CONNECT ON DATABASE urfmp FROM urfmp_app")
        connection.execute("DROP ROLE urfmp_app")
        connection.execute("ALTER ROLE urfmp BYPASSRLS")
    checkout.up()
    with checkout.connect("DATABASE_URL") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("urfmp_app",)
    with checkout.connect() as connection:
        rights = connection.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = 'urfmp'")
        assert rights.fetchone() == (False,)


def test_up_redis_port_in_use_selects_another(checkout):
    checkout.call("down")
    port = int((checkout.state / "redis/port").read_text())
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))
        taker.listen()
        checkout.up()
        assert int((checkout.state / "redis/port").read_text()) != port
        assert checkout.running()


def test_up_hanging_redis_is_replaced(checkout):
    checkout.up()
    pid = checkout.redis_pid
    os.kill(pid, signal.SIGSTOP)
    checkout.up()
    assert not is_running(pid)
    assert checkout.running()


def test_up_incomplete_cluster_is_recreated(make_checkout):
    fresh = make_checkout()
    draft = fresh.state / "postgres/data.new"
    fresh.state.mkdir(mode=0o755)
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("17\n")
    fresh.up()
    assert not draft.exists()
    assert fresh.running()


def test_two_checkouts_are_independent(checkout, make_checkout):
    checkout.up()
    other = make_checkout()
    other.up()
    with other.connect() as connection:
        connection.execute("CREATE TABLE only_here ()")
    with checkout.connect() as connection:
        assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)
    other.call("down")
    assert checkout.running()
    assert not other.running()


def test_run_stops_only_services_it_started(checkout):
    checkout.up()
    assert checkout.call("run", "--", "true").returncode == 0
    assert checkout.running()
    checkout.call("down")
    script = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']); raise SystemExit(7)"
    assert checkout.call("run", "--", "python", "-c", script).returncode == 7
    assert not checkout.running()
    assert not processes_in(checkout.data)


def test_run_nested_keeps_services_running(checkout):
    checkout.call("down")
    inner = [sys.executable, "-m", "urfmp.embedded", "run", "--", "true"]
    status = [sys.executable, "-m", "urfmp.embedded", "status"]
    script = f"{shlex.join(inner)} && {shlex.join(status)}"
    assert checkout.call("run", "--", "sh", "-c", script).returncode == 0
    assert not checkout.running()


def test_up_lost_passwords_explains_reset(checkout):
    checkout.up()
    file = checkout.state / "credentials-of-services.json"
    kept = file.read_text()
    checkout.call("down")
    file.unlink()
    answer = checkout.call("up")
    assert answer.returncode == 1
    assert "make reset" in answer.stderr
    checkout.call("down")
    file.write_text(kept)
    checkout.up()
