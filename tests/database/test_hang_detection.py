"""A server that hangs fails queries soon; a slow query waits as long as it needs."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from urfmp.db.backends.postgresql.base import DatabaseWrapper
from urfmp.db.backends.postgresql.hang_detection import (
    DatabaseHangsError,
    QueryTooLongError,
    ServerWatch,
    server_watch,
)


@pytest.fixture
def link(db):
    """A connection of its own, with the product's settings."""
    wrapper = DatabaseWrapper(dict(connection.settings_dict), "default")
    wrapper.ensure_connection()
    yield wrapper
    wrapper.close()


@pytest.fixture
def silent_server():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()
    deadline = time.monotonic() + 10
    while server_watch.is_hung and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server_watch.is_hung


@contextmanager
def stopped(process_id):
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def run(wrapper, sql):
    with wrapper.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_slow_query_on_healthy_server_is_not_a_hang(link):
    assert run(link, "SELECT 1 FROM pg_sleep(3.5)") == 1
    assert not server_watch.is_hung


def test_stopped_backend_fails_after_time_limit(link):
    backend = run(link, "SELECT pg_backend_pid()")
    link.connection.max_query_seconds = 1.5
    started = time.monotonic()
    with stopped(backend), pytest.raises(OperationalError) as raised:
        run(link, "SELECT 1")
    assert isinstance(raised.value.__cause__, QueryTooLongError)
    assert time.monotonic() - started < 4
    assert link.connection.closed
    link.close()
    assert run(link, "SELECT 1") == 1


@pytest.mark.parametrize("way", ["connect", "again"])
def test_connection_to_silent_server_fails_within_seconds(way, link, silent_server):
    host, port = silent_server
    settings = {**connection.settings_dict, "HOST": host, "PORT": str(port)}
    settings["OPTIONS"] = {**settings["OPTIONS"], "sslmode": "disable"}
    other = DatabaseWrapper(settings, "default")
    started = time.monotonic()
    with pytest.raises(OperationalError) as raised:
        other.ensure_connection()
    assert isinstance(raised.value.__cause__, DatabaseHangsError)
    assert time.monotonic() - started < 4
    if way == "again":
        started = time.monotonic()
        with pytest.raises(OperationalError):
            other.ensure_connection()
        assert time.monotonic() - started < 0.1


def test_watch_recovers_once_the_server_answers(silent_server):
    watch = ServerWatch()
    watch.check(silent_server, time.monotonic())
    assert not watch._is_probing
    watch.check(silent_server, time.monotonic() - 2)
    deadline = time.monotonic() + 10
    while not watch.is_hung and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(DatabaseHangsError):
        watch.check(silent_server, time.monotonic() - 0.5)
    with pytest.raises(DatabaseHangsError):
        watch.raise_if_hung()


def test_refused_connection_is_not_a_hang():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    watch = ServerWatch()
    watch.probe(address, is_suspect=True)
    deadline = time.monotonic() + 10
    while watch.is_hung and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not watch.is_hung


@pytest.mark.django_db(transaction=True)
def test_statements_of_requests_have_a_limit_and_exports_another():
    wrapper = DatabaseWrapper({**connection.settings_dict, "MAX_STATEMENT_SECONDS": 1}, "default")
    with pytest.raises(OperationalError, match="statement timeout"):
        run(wrapper, "SELECT 1 FROM pg_sleep(3)")
    wrapper.set_autocommit(False)
    with wrapper.statement_limit(20):
        assert run(wrapper, "SELECT 1 FROM pg_sleep(1.5)") == 1
    wrapper.rollback()
    assert run(wrapper, "SHOW statement_timeout") == "1s"
    assert wrapper.connection.max_query_seconds == 3
    wrapper.rollback()
    wrapper.close()


def test_owner_and_commands_have_no_statement_limit(db):
    with transaction.atomic():
        assert run(connection, "SHOW statement_timeout") == "0"
    assert connection.connection.max_query_seconds is None
