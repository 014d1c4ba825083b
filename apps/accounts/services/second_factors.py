"""The second factor: codes of an app (TOTP, RFC 6238), and recovery codes for when it is lost."""

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
from urfmp.common.security.password_validators import ALONE
from urfmp.common.tenancy.context import audit_action, tenant_transaction

ISSUER = "URFMP"
_STEP_SECONDS = 30
_DRIFT_STEPS = 1
_RECOVERY_CODES = 10
_FIELD = "seed"


def second_factor_get(user: User) -> SecondFactor | None:
    """Return a person's second factor, when it is in use."""
    row: SecondFactor | None = SecondFactor.objects.filter(
        user_id=user.pk, confirmed_at__isnull=False
    ).first()
    return row


def pending_second_factor_get(user: User) -> SecondFactor | None:
    """Return a second factor that a person has begun to set up."""
    row: SecondFactor | None = SecondFactor.objects.filter(
        user_id=user.pk, confirmed_at=None
    ).first()
    return row


def _seed(row: SecondFactor) -> str:
    return decrypt(row.seed, organization_id=row.organization_id, row_id=row.pk, field=_FIELD)


def _lock_user(user: User) -> None:
    """Lock a person's row before their factor and their sessions, as everybody does."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _revoke_sessions(user: User) -> None:
    sessions_revoke_user(user)
    user.save(update_fields=["trusted_devices_reset_at"])


def second_factor_begin(user: User) -> SecondFactor:
    """Make a seed for a person's app, in place of one that was never confirmed.

    Raises:
        SecondFactorStateError: They have a second factor in use.
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
    """Return the seed of a second factor that is being set up.

    Raises:
        SecondFactorStateError: It is in use; its seed is never shown again.
    """
    if row.confirmed_at is not None:
        raise SecondFactorStateError
    return _seed(row)


def totp_provisioning_uri(row: SecondFactor) -> str:
    """Return what an app reads from a picture: the seed of one that is being set up, and whose.

    Raises:
        SecondFactorStateError: It is in use; its seed is never shown again.
    """
    totp = pyotp.TOTP(totp_secret(row))
    return totp.provisioning_uri(name=row.user.email, issuer_name=ISSUER)


def totp_setup_display(row: SecondFactor) -> tuple[str, str]:
    """Return the seed of a second factor that is being set up: as text, and as a picture's address.

    Raises:
        SecondFactorStateError: It is in use; its seed is never shown again.
    """
    seed, address = totp_secret(row), totp_provisioning_uri(row)
    picture: str = segno.make_qr(address, error="m").svg_data_uri(scale=5, light="#fff")
    groups = " ".join(seed[start : start + 4] for start in range(0, len(seed), 4))
    return groups, picture


def _new_recovery_codes() -> list[str]:
    """Return codes of 95 bits each: their digests need no slow hash."""
    return ["-".join(random_text(4) for _ in range(4)) for _ in range(_RECOVERY_CODES)]


def _normalize(code: str) -> str:
    return "".join(character for character in code if character.isalnum())


def _digests(codes: list[str]) -> list[str]:
    return [hash_token(_normalize(code)) for code in codes]


def second_factor_confirm(user: User, code: str) -> list[str]:
    """Take a second factor into use, once its app has shown a code. Ends the person's sign-ins.

    Returns:
        Recovery codes, which nobody can show again.

    Raises:
        InvalidSecondFactorError: The code is not the app's.
        SecondFactorStateError: None was begun.
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
    """Make new recovery codes in place of all old ones. Ends the person's sign-ins.

    Raises:
        SecondFactorStateError: The person has no second factor.
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
    """Do without a person's second factor. Ends their sign-ins.

    Raises:
        SecondFactorStateError: The person has none.
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
    """Take somebody else's second factor away, and tell them by e-mail if that has a way out.

    A password under 15 characters opens nothing from then on: they choose another by a link.

    Raises:
        SecondFactorStateError: The person has none.
    """
    with audit_action("accounts.second_factor.delete"):
        second_factor_remove(user)
        if settings.MAIL_IS_CONFIGURED:
            app.configure_task("accounts.send_second_factor_removed").defer(
                organization_id=str(user.organization_id), user_id=str(user.pk)
            )


def second_factor_removed_mail_send(*, organization_id: UUID, user_id: UUID) -> None:
    """Tell a person that somebody has taken their second factor away."""
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
            "least": ALONE,
            "link": f"{settings.WEB_ORIGIN}{reverse('admin:forgot_password')}",
        },
    )


def second_factor_verify(row: SecondFactor, code: str) -> None:
    """Use up one code: of the app, or a recovery code. Neither is good twice.

    The row is locked: of two requests with one code the second finds it used. Count the attempt
    first, with `take_code`.

    Raises:
        InvalidSecondFactorError: The code is wrong, too old, or was used before.
    """
    with audit_action("accounts.second_factor.use"):
        row = SecondFactor.objects.select_for_update().get(pk=row.pk)
        if (step := _matching_timestep(row, code)) is not None:
            row.last_step = step
            row.save(update_fields=["last_step"])
            return
        given = hash_token(_normalize(code))
        left = [known for known in row.recovery_digests if not hmac.compare_digest(known, given)]
        if len(left) == len(row.recovery_digests):
            raise InvalidSecondFactorError
        row.recovery_digests = left
        row.save(update_fields=["recovery_digests"])


def _matching_timestep(row: SecondFactor, code: str) -> int | None:
    """Return the time step that a code belongs to, if it is a later one than the last used."""
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
