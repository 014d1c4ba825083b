from __future__ import annotations

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from django.test import RequestFactory

from urfmp.common.http.middleware import ClientAddressMiddleware


def address(settings, **headers):
    settings.TRUST_PROXY = True
    seen = []
    middleware = ClientAddressMiddleware(
        lambda request: seen.append(request.META["REMOTE_ADDR"]) or HttpResponse()
    )
    middleware(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", **headers))
    return seen[0]


def test_client_ip_is_the_nearest_proxys_entry(settings):
    assert address(settings, HTTP_X_FORWARDED_FOR="1.2.3.4") == "1.2.3.4"
    assert address(settings, HTTP_X_FORWARDED_FOR="6.6.6.6, 1.2.3.4") == "1.2.3.4"
    assert address(settings) == "10.0.0.9"


def test_middleware_without_proxy_is_not_used(settings):
    settings.TRUST_PROXY = False
    with pytest.raises(MiddlewareNotUsed):
        ClientAddressMiddleware(lambda request: HttpResponse())
