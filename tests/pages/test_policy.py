"""Content security policy: strict on every page, whatever its status."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.support.api_contract import routes

FORBIDDEN = ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "*", "http:", "https:")


def has_strict_policy(response, path):
    if not response["Content-Type"].startswith("text/html"):
        return False
    policy = response.get("Content-Security-Policy", "")
    for directive in ("default-src 'self'", "script-src 'self'", "style-src 'self'"):
        assert directive in policy, path
    for directive in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy, path
    words = {
        word for part in policy.split(";") if "connect-src" not in part for word in part.split()
    }
    assert not [word for word in words if word.strip("'") in FORBIDDEN], (path, policy)
    page = re.sub(r"<pre.*?</pre>", "", response.content.decode(), flags=re.DOTALL)
    # JSON blocks are data, which the policy does not restrict.
    assert not re.search(
        r"<style|\sstyle=|<script(?![^>]*(?:\ssrc=|application/json))[^>]*>|\son[a-z]+=\"", page
    ), path
    return True


def paths_without_parameters():
    """Yield the path of each route without parameters."""
    for path, _ in routes():
        if not re.search(r"[<(\[]", path.replace("\\Z", "")):
            yield path.replace("^", "").rstrip("$")


@pytest.mark.parametrize("role", ["anonymous", "viewer", "admin", "super_admin"])
def test_page_sends_strict_policy(role, client_for, alice, bob, root):
    users = {"viewer": bob, "admin": alice, "super_admin": root}
    client = client_for(users[role]) if role in users else Client()
    found = 0
    for path in paths_without_parameters():
        response = client.get(path)
        found += has_strict_policy(response, path)
        if response.streaming:  # its transaction ends with the file
            b"".join(response.streaming_content)
    assert found > (5 if role == "anonymous" else 15)


def test_error_page_sends_strict_policy(alice, client_for, monkeypatch):
    client = client_for(alice, raise_request_exception=False)
    assert has_strict_policy(client.get("/admin/nothing"), 404)
    assert has_strict_policy(client.get("/nothing"), 404)
    assert has_strict_policy(client.get("/admin/?a=%00"), 400)
    assert has_strict_policy(client.post("/admin/login/", {"email": "x"}), 400)
    strict = client_for(alice, enforce_csrf_checks=True)
    assert has_strict_policy(strict.post("/admin/logout/"), 403)
    monkeypatch.setattr("urfmp.pages.views.home.home", lambda request: 1 / 0)
    response = client.get("/admin/")
    assert response.status_code == 500
    assert has_strict_policy(response, 500)
