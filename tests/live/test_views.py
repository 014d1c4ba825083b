"""Responses of the web process to the path of the event stream."""

from __future__ import annotations

from django.test import RequestFactory

from urfmp.live.views import redirect_to_live


def test_redirect_with_separate_origins_keeps_the_query(settings):
    settings.WEB_ORIGIN, settings.LIVE_ORIGIN = "http://a.example:1", "http://a.example:2"
    path = "/api/v1/events?robot=7&robot=8&last_event_id=a%2Fb-9&more=1"
    response = redirect_to_live(RequestFactory().get(path))
    assert response.status_code == 307
    assert response["Location"] == "http://a.example:2" + path


def test_redirect_with_shared_origin_returns_503(settings):
    settings.LIVE_ORIGIN = settings.WEB_ORIGIN
    response = redirect_to_live(RequestFactory().get("/api/v1/events"))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
