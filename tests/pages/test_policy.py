"""Every page carries a policy without exceptions, whatever its status."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.support.api_contract import routes

FORBIDDEN = ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "*", "http:", "https:")


def check(answer, path):
    if not answer["Content-Type"].startswith("text/html"):
        return False
    policy = answer.get("Content-Security-Policy", "")
    for directive in ("default-src 'self'", "script-src 'self'", "style-src 'self'"):
        assert directive in policy, path
    for directive in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy, path
    words = {
        word for part in policy.split(";") if "connect-src" not in part for word in part.split()
    }
    assert not [word for word in words if word.strip("'") in FORBIDDEN], (path, policy)
    page = re.sub(r"<pre.*?</pre>", "", answer.content.decode(), flags=re.DOTALL)
    # A block of JSON is data, which no policy stops.
    assert not re.search(
        r"<style|\sstyle=|<script(?![^>]*(?:\ssrc=|application/json))[^>]*>|\son[a-z]+=\"", page
    ), path
    return True


def addresses():
    """Each route that takes nothing, as it is written in the resolver."""
    for path, _ in routes():
        if not re.search(r"[<(\[]", path.replace("\\Z", "")):
            yield path.replace("^", "").rstrip("$")


@pytest.mark.parametrize("who", ["anonymous", "viewer", "admin", "super_admin"])
def test_every_page_without_parameters(who, sign_in, alice, bob, root):
    people = {"viewer": bob, "admin": alice, "super_admin": root}
    client = sign_in(people[who]) if who in people else Client()
    found = sum(check(client.get(path), path) for path in addresses())
    assert found > (5 if who == "anonymous" else 15)


def test_error_pages(alice, sign_in, monkeypatch):
    client = sign_in(alice, raise_request_exception=False)
    assert check(client.get("/admin/nothing"), 404)
    assert check(client.get("/nothing"), 404)
    assert check(client.get("/admin/?a=%00"), 400)
    assert check(client.post("/admin/login/", {"email": "x"}), 400)
    strict = sign_in(alice, enforce_csrf_checks=True)
    assert check(strict.post("/admin/logout/"), 403)
    monkeypatch.setattr("urfmp.pages.views.home.home", lambda request: 1 / 0)
    answer = client.get("/admin/")
    assert answer.status_code == 500
    assert check(answer, 500)
