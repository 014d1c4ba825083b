"""Login state between password and second factor, in a signed cookie.

It lasts five minutes, creates no session and no row, and grants nothing by itself. A change of the
password invalidates it, and so does a deactivation, even if a reactivation follows.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import tenant_transaction

_SALT = "urfmp.pending"
_MAX_AGE_SECONDS = 5 * 60


def _cookie_name() -> str:
    return "urfmp_pending" if settings.INSECURE_HTTP else "__Host-pending"


def _password_hash(user: User) -> str:
    """Return a value of the password and the last revocation of sessions.

    A deactivation of the organization revokes its sessions, and changes its row.
    """
    revoked_at = f"{user.trusted_devices_reset_at} {user.organization.updated_at}"
    return hash_token(f"{user.get_session_auth_hash()} {revoked_at}")


def pending_login_set(response: HttpResponse, user: User) -> HttpResponse:
    """Set the cookie that lets the browser continue with the second factor."""
    with tenant_transaction(user.organization_id):
        password_hash = _password_hash(User.objects.select_related("organization").get(pk=user.pk))
    response.set_cookie(
        _cookie_name(),
        signing.dumps([str(user.pk), str(user.organization_id), password_hash], salt=_SALT),
        max_age=_MAX_AGE_SECONDS,
        secure=not settings.INSECURE_HTTP,
        httponly=True,
        samesite="Strict",
    )
    return response


def pending_login_get(request: HttpRequest) -> User | None:
    """Return the user whose password was verified within the last five minutes.

    None if the password has changed or the user no longer has a second factor: then the password
    alone is enough.
    """
    try:
        user_id, organization_id, password_hash = signing.loads(
            request.COOKIES.get(_cookie_name(), ""), salt=_SALT, max_age=_MAX_AGE_SECONDS
        )
    except signing.BadSignature:
        return None
    with tenant_transaction(UUID(organization_id)):
        user: User | None = User.objects.able_to_log_in().filter(pk=user_id).first()
        is_pending = (
            user is not None and _password_hash(user) == password_hash and user.has_second_factor
        )
    return user if is_pending else None


def pending_login_clear(response: HttpResponse) -> HttpResponse:
    """Delete the cookie."""
    response.delete_cookie(_cookie_name(), samesite="Strict")
    return response
