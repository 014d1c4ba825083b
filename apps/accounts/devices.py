"""The browsers in which people have signed in before.

A known one has attempts of its own, so that whoever tries passwords from elsewhere does not keep
the account's owner out. The cookie lets nobody in: it holds a random id and the accounts that
have signed in there, signed by us, and only a successful sign-in adds one.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.accounts.credentials import account_of

_AGE_SECONDS = int(timedelta(days=180).total_seconds())
_SALT = "urfmp.device"
# A tablet in the hall has many users; the cookie stays below 1 kB.
_ACCOUNTS_AT_MOST = 20


def _cookie_name() -> str:
    return "urfmp_device" if settings.INSECURE_HTTP else "__Host-device"


def _read(request: HttpRequest) -> tuple[str, list[str]] | None:
    try:
        found: dict[str, Any] = signing.loads(
            request.COOKIES.get(_cookie_name(), ""), salt=_SALT, max_age=_AGE_SECONDS
        )
    except signing.BadSignature:
        return None
    return found["device"], found["accounts"]


def known_device(request: HttpRequest, account: str) -> str | None:
    """Return the device's id if this account has signed in on it before.

    Args:
        request: From the device.
        account: Name of the account, `credentials.account_of`.
    """
    found = _read(request)
    return found[0] if found and account in found[1] else None


def remember_device(request: HttpRequest, response: HttpResponse, *, email: str) -> HttpResponse:
    """Let the browser know that this address has just signed in on it, for 180 days."""
    device, accounts = _read(request) or (secrets.token_urlsafe(16), [])
    account = account_of(email).name
    accounts = [account, *(name for name in accounts if name != account)][:_ACCOUNTS_AT_MOST]
    response.set_cookie(
        _cookie_name(),
        signing.dumps({"device": device, "accounts": accounts}, salt=_SALT),
        max_age=_AGE_SECONDS,
        secure=not settings.INSECURE_HTTP,
        httponly=True,
        samesite="Lax",
    )
    return response
