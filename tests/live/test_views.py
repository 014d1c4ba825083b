"""Response of the web process to the path of the event stream."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "head", "options", "post"])
def test_events_at_web_process_returns_503_without_redirect(method):
    response = getattr(Client(), method)("/api/v1/events?robot=7")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Location" not in response
