"""Trusted devices: browsers and API clients of earlier logins.

A trusted device has its own password attempts, so an attacker elsewhere cannot lock the user out.
Its token does not authenticate: it contains a random id and a tag for each account that has logged
in there. It is signed, and only a successful login adds a tag. Events that revoke all sessions of a
user, such as a new password or second factor, change the account's tag. All devices that the user
had before then lose their trust. Browsers keep the token in a cookie, API clients send it along.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.accounts.selectors.credentials import LoginIdentity, login_identity, trusted_device_tag
from urfmp.common.http.request_state import request_state

_MAX_AGE_SECONDS = int(timedelta(days=180).total_seconds())
_SALT = "urfmp.device"
# A tablet in the hall has many users; the cookie stays below 1 kB.
_MAX_ACCOUNTS = 20


def _cookie_name() -> str:
    return "urfmp_device" if settings.INSECURE_HTTP else "__Host-device"


def _read(request: HttpRequest) -> tuple[str, list[str]] | None:
    token = request_state(request).device_token or request.COOKIES.get(_cookie_name(), "")
    try:
        found: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return None
    return found["device"], found["accounts"]


def trusted_device(request: HttpRequest, identity: LoginIdentity) -> str | None:
    """Return the device's id if the account trusts the device."""
    found = _read(request)
    return found[0] if found and identity.trusted_device_tag in found[1] else None


def device_token_issue(request: HttpRequest, user: User) -> str:
    """Return a token that trusts the device for this user.

    It is valid for 180 days.

    Args:
        request: Request of the browser or API client.
        user: User as authenticated. If the password has changed since, the device is not trusted.
    """
    device, tags = _read(request) or (secrets.token_urlsafe(16), [])
    tag = trusted_device_tag(login_identity(user.email).account_hash, user.trusted_devices_reset_at)
    tags = [tag, *(other for other in tags if other != tag)][:_MAX_ACCOUNTS]
    return signing.dumps({"device": device, "accounts": tags}, salt=_SALT)


def trust_device(request: HttpRequest, response: HttpResponse, user: User) -> HttpResponse:
    """Set the cookie that trusts the browser for this user.

    Args:
        request: Request of the browser.
        response: Response that sets the cookie.
        user: User as authenticated.
    """
    response.set_cookie(
        _cookie_name(),
        device_token_issue(request, user),
        max_age=_MAX_AGE_SECONDS,
        secure=not settings.INSECURE_HTTP,
        httponly=True,
        samesite="Lax",
    )
    return response
