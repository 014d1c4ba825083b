"""The icon that browsers request by themselves."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
def test_favicon_leads_to_the_logo():
    response = Client().get("/favicon.ico")
    assert response.status_code == 302
    assert response["Location"].startswith("/static/urfmp/img/logo")
    assert "max-age" in response["Cache-Control"]
    assert "Set-Cookie" not in response
    assert Client().post("/favicon.ico").status_code == 405
