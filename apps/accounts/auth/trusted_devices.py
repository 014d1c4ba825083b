"""The browsers in which people have signed in before.

A known one has attempts of its own, so that whoever tries passwords from elsewhere does not keep
the account's owner out. The cookie lets nobody in: it holds a random id and a mark of each account
that has signed in there, signed by us, and only a successful sign-in adds one. What ends all
sign-ins of a person, as another password or second factor does, changes their account's mark: no
device that they had used before is known from then on, in whosever hands it is.
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


def trusted_device(request: HttpRequest, account: LoginIdentity) -> str | None:
    """Return the device's id if this account has signed in on it, and nothing ended that since."""
    found = _read(request)
    return found[0] if found and account.trusted_device_tag in found[1] else None


def trust_device(request: HttpRequest, response: HttpResponse, user: User) -> HttpResponse:
    """Let the browser know that this person has just signed in on it, for 180 days.

    Args:
        request: From the browser.
        response: What carries the cookie.
        user: As they were when they showed their password: if it was changed meanwhile, the device
            is not known.
    """
    device, marks = _read(request) or (secrets.token_urlsafe(16), [])
    mark = trusted_device_tag(
        login_identity(user.email).account_hash, user.trusted_devices_reset_at
    )
    marks = [mark, *(other for other in marks if other != mark)][:_ACCOUNTS_AT_MOST]
    response.set_cookie(
        _cookie_name(),
        signing.dumps({"device": device, "accounts": marks}, salt=_SALT),
        max_age=_AGE_SECONDS,
        secure=not settings.INSECURE_HTTP,
        httponly=True,
        samesite="Lax",
    )
    return response
