"""Second factors: TOTP codes (RFC 6238) and recovery codes."""

from __future__ import annotations

import hmac
import time
from uuid import UUID, uuid4

import pyotp
import segno
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.exceptions import InvalidSecondFactorError, SecondFactorStateError
from apps.accounts.models import SecondFactor, User
from apps.accounts.services.sessions import sessions_revoke_user
from urfmp.common.mail import mail_send
from urfmp.common.security.bearer_secrets import hash_token, random_text
from urfmp.common.security.field_encryption import decrypt, encrypt
from urfmp.common.security.password_validators import MIN_LENGTH
from urfmp.common.tenancy.context import audit_action, tenant_transaction

ISSUER = "URFMP"
_STEP_SECONDS = 30
_DRIFT_STEPS = 1
_RECOVERY_CODES = 10
_FIELD = "seed"


def second_factor_get(user: User) -> SecondFactor | None:
    """Return the user's second factor if it is enabled."""
    row: SecondFactor | None = SecondFactor.objects.filter(
        user_id=user.pk, confirmed_at__isnull=False
    ).first()
    return row


def pending_second_factor_get(user: User) -> SecondFactor | None:
    """Return the second factor that the user has begun to set up."""
    row: SecondFactor | None = SecondFactor.objects.filter(
        user_id=user.pk, confirmed_at=None
    ).first()
    return row


def _seed(row: SecondFactor) -> str:
    return decrypt(row.seed, organization_id=row.organization_id, row_id=row.pk, field=_FIELD)


def _lock_user(user: User) -> None:
    """Lock the user's row before second factor and sessions, the common order."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _revoke_sessions(user: User) -> None:
    sessions_revoke_user(user)
    user.save(update_fields=["trusted_devices_reset_at"])


def second_factor_begin(user: User) -> SecondFactor:
    """Generate a TOTP secret; replace one that was never confirmed.

    Raises:
        SecondFactorStateError: The user's second factor is enabled.
    """
    with audit_action("accounts.second_factor.begin"):
        _lock_user(user)
        if second_factor_get(user) is not None:
            raise SecondFactorStateError
        SecondFactor.objects.filter(user_id=user.pk).delete()
        row = SecondFactor(pk=uuid4(), organization_id=user.organization_id, user=user)
        row.seed = encrypt(
            pyotp.random_base32(),
            organization_id=row.organization_id,
            row_id=row.pk,
            field=_FIELD,
        )
        row.save(force_insert=True)
    return row


def totp_secret(row: SecondFactor) -> str:
    """Return the secret while the second factor is set up.

    Raises:
        SecondFactorStateError: The second factor is enabled; its secret is never shown again.
    """
    if row.confirmed_at is not None:
        raise SecondFactorStateError
    return _seed(row)


def totp_provisioning_uri(row: SecondFactor) -> str:
    """Return the `otpauth` URI while the second factor is set up.

    Raises:
        SecondFactorStateError: The second factor is enabled; its secret is never shown again.
    """
    totp = pyotp.TOTP(totp_secret(row))
    return totp.provisioning_uri(name=row.user.email, issuer_name=ISSUER)


def totp_setup_display(row: SecondFactor) -> tuple[str, str]:
    """Return the secret in groups of four, and a QR code.

    The QR code is a data URI.

    Raises:
        SecondFactorStateError: The second factor is enabled; its secret is never shown again.
    """
    secret, uri = totp_secret(row), totp_provisioning_uri(row)
    qr_code: str = segno.make_qr(uri, error="m").svg_data_uri(scale=5, light="#fff")
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return groups, qr_code


def _new_recovery_codes() -> list[str]:
    """Return codes of 95 bits each; a fast hash is enough."""
    return ["-".join(random_text(4) for _ in range(4)) for _ in range(_RECOVERY_CODES)]


def _normalize(code: str) -> str:
    return "".join(character for character in code if character.isalnum())


def _digests(codes: list[str]) -> list[str]:
    return [hash_token(_normalize(code)) for code in codes]


def second_factor_confirm(user: User, code: str) -> list[str]:
    """Enable the second factor after a valid TOTP code.

    All sessions of the user are revoked.

    Returns:
        Recovery codes, which cannot be shown again.

    Raises:
        InvalidSecondFactorError: The code is wrong.
        SecondFactorStateError: The user has not begun to set one up.
    """
    with audit_action("accounts.second_factor.create"):
        _lock_user(user)
        row = SecondFactor.objects.select_for_update().filter(user_id=user.pk).first()
        if row is None or row.confirmed_at is not None:
            raise SecondFactorStateError
        step = _matching_timestep(row, code)
        if step is None:
            raise InvalidSecondFactorError
        codes = _new_recovery_codes()
        row.confirmed_at, row.last_step = timezone.now(), step
        row.recovery_digests = _digests(codes)
        row.save()
        _revoke_sessions(user)
    return codes


def recovery_codes_regenerate(user: User) -> list[str]:
    """Replace all recovery codes and revoke all sessions of the user.

    Raises:
        SecondFactorStateError: The user does not have a second factor.
    """
    codes = _new_recovery_codes()
    with audit_action("accounts.second_factor.renew_codes"):
        _lock_user(user)
        changed = SecondFactor.objects.filter(user_id=user.pk, confirmed_at__isnull=False).update(
            recovery_digests=_digests(codes)
        )
        if not changed:
            raise SecondFactorStateError
        _revoke_sessions(user)
    return codes


def second_factor_remove(user: User) -> None:
    """Disable the user's second factor and revoke all their sessions.

    Raises:
        SecondFactorStateError: The user does not have a second factor.
    """
    with audit_action("accounts.second_factor.delete"):
        _lock_user(user)
        removed, _ = SecondFactor.objects.filter(
            user_id=user.pk, confirmed_at__isnull=False
        ).delete()
        if not removed:
            raise SecondFactorStateError
        _revoke_sessions(user)


def second_factor_reset(user: User) -> None:
    """Remove another user's second factor.

    The user is notified if e-mail is configured. A password under 15 characters is then no longer
    valid; the user resets it with a link.

    Raises:
        SecondFactorStateError: The user does not have a second factor.
    """
    with audit_action("accounts.second_factor.delete"):
        second_factor_remove(user)
        if settings.MAIL_IS_CONFIGURED:
            app.configure_task("accounts.send_second_factor_removed").defer(
                organization_id=str(user.organization_id), user_id=str(user.pk)
            )


def second_factor_removed_mail_send(*, organization_id: UUID, user_id: UUID) -> None:
    """Notify a user that their second factor was removed."""
    with tenant_transaction(organization_id):
        user: User | None = User.objects.able_to_log_in().filter(pk=user_id).first()
    if user is None:
        return
    mail_send(
        to=user.email,
        subject="Your second factor was removed",
        template="mail/second_factor_removed.txt",
        context={
            "user": user,
            "organization": user.organization,
            "min_length": MIN_LENGTH,
            "link": f"{settings.WEB_ORIGIN}{reverse('admin:forgot_password')}",
        },
    )


def second_factor_verify(row: SecondFactor, code: str) -> None:
    """Consume one TOTP code or recovery code; each is valid once.

    The row is locked, so of two requests with one code the second finds it used. Count the attempt
    first, with `throttle_code`.

    Raises:
        InvalidSecondFactorError: The code is wrong, expired or already used.
    """
    with audit_action("accounts.second_factor.use"):
        row = SecondFactor.objects.select_for_update().get(pk=row.pk)
        if (step := _matching_timestep(row, code)) is not None:
            row.last_step = step
            row.save(update_fields=["last_step"])
            return
        code_digest = hash_token(_normalize(code))
        remaining = [d for d in row.recovery_digests if not hmac.compare_digest(d, code_digest)]
        if len(remaining) == len(row.recovery_digests):
            raise InvalidSecondFactorError
        row.recovery_digests = remaining
        row.save(update_fields=["recovery_digests"])


def _matching_timestep(row: SecondFactor, code: str) -> int | None:
    """Return a code's time step if later than the last used one."""
    digits = _normalize(code)
    if len(digits) != 6 or not digits.isascii() or not digits.isdecimal():
        return None
    totp = pyotp.TOTP(_seed(row))
    now = int(time.time()) // _STEP_SECONDS
    for step in range(now - _DRIFT_STEPS, now + _DRIFT_STEPS + 1):
        is_later = row.last_step is None or step > row.last_step
        if is_later and hmac.compare_digest(totp.at(step * _STEP_SECONDS), digits):
            return step
    return None
