"""Requests write one line each to the log, and a client only so many."""

from __future__ import annotations

import io
import logging

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import RequestFactory

from urfmp.common import log_filters
from urfmp.common.http.error_views import unavailable
from urfmp.common.log_filters import ClientLimitFilter, client_of_log

LIMIT = log_filters.MAX_BYTES_PER_CLIENT


@pytest.fixture
def lines():
    """A logger with the console's filter, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(ClientLimitFilter())
    logger = logging.getLogger("test.log_filters")
    logger.propagate = False
    for name in ("test.log_filters", log_filters.__name__):
        logging.getLogger(name).addHandler(handler)
    logger.limit, logger.text = handler.filters[0], stream.getvalue
    yield logger
    for name in ("test.log_filters", log_filters.__name__):
        logging.getLogger(name).removeHandler(handler)


def request_of(address):
    return {"request": RequestFactory().get("/", REMOTE_ADDR=address)}


def test_client_cannot_write_more_than_its_share(lines):
    for _ in range(10_000):
        lines.warning("Forbidden: /a", extra=request_of("10.0.0.1"))
    assert 1_000 < len(lines.text()) < LIMIT
    lines.warning("Forbidden: /b", extra=request_of("10.0.0.2"))
    assert "/b" in lines.text()
    lines.warning("of no client")
    assert "of no client" in lines.text()
    written = lines.text().count("/a")
    lines.limit.report()
    assert f"suppressed within a minute: {10_000 - written} of 10.0.0.1" in lines.text()
    lines.limit.report()
    assert lines.text().count("suppressed") == 1


def test_client_may_write_again_in_the_next_window(lines, monkeypatch):
    for _ in range(1_000):
        lines.warning("Forbidden: /a", extra=request_of("10.0.0.1"))
    monkeypatch.setattr(lines.limit, "_window_end", 0.0)
    lines.warning("later", extra=request_of("10.0.0.1"))
    assert "later" in lines.text()


def test_lines_of_services_count_for_the_client(lines):
    with client_of_log("10.0.0.1"):
        for _ in range(10_000):
            lines.warning("Could not audit a denied request.")
    assert len(lines.text()) < LIMIT
    lines.warning("outside")
    assert "outside" in lines.text()


def test_tracebacks_count_by_their_size(lines):
    for _ in range(100):
        try:
            raise ValueError  # noqa: TRY301
        except ValueError:
            lines.exception("Internal Server Error: /a", extra=request_of("10.0.0.1"))
    assert lines.text().count("Traceback") == 3


def test_many_addresses_share_a_total(lines):
    for number in range(20_000):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        lines.warning("Forbidden: /%s", "x" * 80, extra=request_of(address))
    assert len(lines.text()) < log_filters.MAX_BYTES_TOTAL
    lines.limit.report()
    assert "of other addresses" in lines.text().splitlines()[-1]
    assert len(lines.text().splitlines()[-1]) < 400


def test_addresses_of_one_ipv6_network_are_one_client(lines):
    for number in range(10_000):
        lines.warning("Forbidden: /a", extra=request_of(f"2001:db8::{number:x}"))
    assert len(lines.text()) < LIMIT


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gunicorn.error", "Invalid request from ip=10.0.0.9: Invalid HTTP Version"),
        ("uvicorn.error", "Invalid HTTP request received."),
    ],
)
def test_servers_lines_count_for_their_client(name, message):
    limit = ClientLimitFilter()
    record = logging.LogRecord(name, logging.WARNING, "", 1, message, (), None)
    assert sum(limit.filter(record) for _ in range(10_000)) < 1_000
    info = logging.LogRecord(name, logging.INFO, "", 1, "Booting worker", (), None)
    assert limit.filter(info)


@pytest.mark.parametrize(
    ("url", "status"),
    [("/admin/accounts/apikey/", 403), ("/api/v1/nothing", 404), ("/nothing", 404)],
)
def test_denied_request_logs_one_line(url, status, bob, client_for, caplog, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionDenied

    monkeypatch.setattr("apps.accounts.admin.api_keys.ApiKeyAdmin.changelist_view", deny)
    assert client_for(bob).get(url).status_code == status
    (record,) = (r for r in caplog.records if r.name == "django.request")
    assert record.exc_info is None
    assert len(record.getMessage()) < 200


@pytest.mark.parametrize("url", ["/admin/", "/api/v1/robots"])
def test_lost_database_logs_one_line(url, alice, client_for, caplog, monkeypatch):
    def lose(*args, **kwargs):
        msg = "server closed the connection unexpectedly\n\tThis probably means"
        raise OperationalError(msg)

    client = client_for(alice)
    client.raise_request_exception = False
    monkeypatch.setattr("apps.accounts.middleware.principal._call_view", lose)
    assert client.get(url).status_code == 503
    (record,) = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        f"503 GET {url}: The database is not available. server closed the connection unexpectedly"
        " This probably means"
    )


def test_unexpected_error_keeps_its_traceback(alice, client_for, caplog, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError

    client = client_for(alice)
    client.raise_request_exception = False
    monkeypatch.setattr("apps.accounts.middleware.principal._call_view", fail)
    assert client.get("/admin/").status_code == 500
    (record,) = caplog.records
    assert record.exc_info


def test_line_of_unavailable_is_one_line_for_any_path(caplog):
    unavailable(RequestFactory().get("/a%0Ab" + "x" * 9999), OperationalError("a\nb"))
    assert "\n" not in caplog.records[0].getMessage()
    assert len(caplog.records[0].getMessage()) < 300
