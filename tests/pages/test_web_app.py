"""The service worker, the manifest and the CSRF token of the service worker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from urfmp.pages.views.web_app.service_worker import SERVICE_WORKER_MODULES

pytestmark = pytest.mark.django_db


def test_service_worker_is_served_for_the_whole_origin():
    response = Client().get("/service-worker.js")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript"
    assert response["Cache-Control"] == "no-cache"
    assert "Set-Cookie" not in response
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert Client().post("/service-worker.js").status_code == 405


def test_service_worker_imports_existing_modules_of_this_origin():
    text = Client().get("/service-worker.js").content.decode()
    urls = json.loads("[" + re.search(r"importScripts\((.*)\)", text).group(1) + "]")
    assert len(urls) == len(SERVICE_WORKER_MODULES)
    for url, name in zip(urls, SERVICE_WORKER_MODULES, strict=True):
        assert url.startswith(f"/static/urfmp/js/service_worker/{name.removesuffix('.js')}")
        assert finders.find(f"urfmp/js/service_worker/{name}")


def test_every_module_of_the_service_worker_is_imported():
    folder = Path(settings.BASE_DIR) / "urfmp/pages/static/urfmp/js/service_worker"
    assert sorted(path.name for path in folder.iterdir()) == sorted(SERVICE_WORKER_MODULES)


def test_manifest_names_existing_icons():
    response = Client().get("/manifest.webmanifest")
    assert response["Content-Type"] == "application/manifest+json"
    assert "Set-Cookie" not in response
    content = response.json()
    assert (content["start_url"], content["scope"]) == ("/admin/", "/")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in content["icons"]}
    for icon in content["icons"]:
        stem, _, suffix = icon["src"].removeprefix("/static/").partition(".")
        assert finders.find(f"{stem}.{suffix.rpartition('.')[2]}"), icon


def test_pages_link_to_manifest_and_touch_icon(alice, client_for):
    page = client_for(alice).get("/admin/").content.decode()
    assert '<link rel="manifest" href="/manifest.webmanifest"' in page
    assert 'rel="apple-touch-icon"' in page


def test_csrf_token_lets_the_service_worker_post(alice, client_for):
    browser = client_for(alice)
    checked = Client(enforce_csrf_checks=True)
    checked.cookies = browser.cookies
    response = checked.get("/admin/csrf-token/")
    token = response.json()["token"]
    assert "no-store" in response["Cache-Control"]
    assert checked.post("/api/v1/auth/logout").status_code == 403
    posted = checked.post("/api/v1/auth/logout", headers={"X-CSRFToken": token})
    assert posted.status_code == 204


def test_csrf_token_without_session_leads_to_login():
    response = Client().get("/admin/csrf-token/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
