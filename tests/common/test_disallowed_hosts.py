from __future__ import annotations

import logging

from django.test import Client


def test_disallowed_host_logs_one_line(caplog, settings, db):
    settings.ALLOWED_HOSTS = ["localhost"]
    with caplog.at_level(logging.INFO):
        answer = Client().get("/admin/login/", headers={"host": "evil.example\t" + "x" * 999})
    assert answer.status_code == 400
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    (record,) = caplog.records
    assert record.exc_info is None
    assert len(record.getMessage()) < 200


def test_disallowed_host_before_https_redirect_has_csp(settings, db):
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["localhost"], True
    answer = Client().get("/admin/login/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "default-src 'self'" in answer["Content-Security-Policy"]
