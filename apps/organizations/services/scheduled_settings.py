"""Schedule settings that delete data, announce and cancel them.

They take effect a day later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.models import User
from apps.accounts.services.locks import ADMIN_ROLES
from apps.organizations.exceptions import NoScheduledSettingsError
from apps.organizations.models import Organization
from apps.organizations.models.settings import RETENTION_SETTINGS, parse_settings
from urfmp.common.mail import mail_send
from urfmp.common.tenancy.context import audit_action, current_actor, tenant_transaction

NOTICE_PERIOD = timedelta(days=1)
_FIELDS = ["scheduled_settings", "scheduled_settings_at"]


def shorter_retention_schedule(
    organization: Organization, settings: dict[str, Any]
) -> dict[str, Any]:
    """Schedule the retention periods that new settings shorten.

    The caller has locked the organization and saves it. A longer period takes effect at once and
    replaces a scheduled one. A period that does not change leaves the scheduled one as it is, so
    that other settings can be changed meanwhile.

    Args:
        organization: Organization with its stored settings.
        settings: Valid new settings.

    Returns:
        The settings to store now.
    """
    stored = organization.settings or {}
    before, after = parse_settings(stored), parse_settings(settings)
    shorter = before.shortened_retention(after)
    scheduled = organization.scheduled_retention
    is_announced = all(scheduled.get(name) == days for name, days in shorter.items())
    for name in RETENTION_SETTINGS:
        if getattr(after, name) > getattr(before, name):
            scheduled.pop(name, None)
    scheduled |= shorter
    if not is_announced:
        organization.scheduled_settings_at = timezone.now() + NOTICE_PERIOD
    if not scheduled:
        organization.scheduled_settings_at = None
    organization.scheduled_settings = scheduled or None
    if not is_announced and organization.scheduled_settings_at is not None:
        _notices_enqueue(organization, organization.scheduled_settings_at)
    kept = {name: stored[name] for name in shorter if name in stored}
    return {name: value for name, value in settings.items() if name not in shorter} | kept


def _notices_enqueue(organization: Organization, scheduled_at: datetime) -> None:
    """Enqueue one e-mail to each active admin.

    Each is a job of its own, so that a retry repeats no other.
    """
    if not django_settings.MAIL_IS_CONFIGURED:
        return
    admins = User.objects.filter(
        organization_id=organization.pk, role__in=ADMIN_ROLES, is_active=True
    )
    changed_by = current_actor().user_id
    for admin_id in admins.order_by("pk").values_list("pk", flat=True):
        app.configure_task("organizations.send_retention_notice").defer(
            organization_id=str(organization.pk),
            user_id=str(admin_id),
            changed_by=None if changed_by is None else str(changed_by),
            scheduled_at=scheduled_at.isoformat(),
        )


def retention_notice_send(
    *, organization_id: UUID, user_id: UUID, changed_by: UUID | None, scheduled_at: datetime
) -> None:
    """Notify an admin of a shorter retention.

    Nothing is sent if the change was cancelled or replaced in the meantime.
    """
    with tenant_transaction(organization_id):
        user: User | None = User.objects.able_to_log_in().filter(pk=user_id).first()
        if user is None or user.organization.scheduled_settings_at != scheduled_at:
            return
        author = User.objects.filter(pk=changed_by).first()
    organization = user.organization
    current = organization.effective_settings
    change_url = reverse("admin:organizations_organization_change", args=[organization.pk])
    mail_send(
        to=user.email,
        subject="Data will be deleted: shorter retention",
        template="mail/retention_notice.txt",
        timezone=user.effective_timezone,
        locale=current.locale,
        context={
            "user": user,
            "organization": organization,
            "author": author or (changed_by and User.placeholder_for(changed_by)),
            "changes": [
                (RETENTION_SETTINGS[name], getattr(current, name), days)
                for name, days in organization.scheduled_retention.items()
            ],
            "scheduled_at": scheduled_at,
            "link": f"{django_settings.WEB_ORIGIN}{change_url}",
        },
    )


def scheduled_settings_cancel(organization: Organization) -> Organization:
    """Cancel the scheduled settings of an organization.

    The row is locked, so that the settings do not take effect at the same time.

    Raises:
        NoScheduledSettingsError: No settings are scheduled.
    """
    with audit_action("organizations.organization.cancel_scheduled_settings"):
        organization.refresh_from_db(
            from_queryset=Organization.objects.select_for_update(no_key=True)
        )
        if organization.scheduled_settings is None:
            raise NoScheduledSettingsError
        organization.scheduled_settings = organization.scheduled_settings_at = None
        organization.save(update_fields=_FIELDS)
        organization.refresh_from_db(fields=["updated_at"])
    return organization


def scheduled_settings_apply(organization_id: UUID) -> bool:
    """Let scheduled settings take effect if they are due.

    The row is locked, so that a cancellation at the same time is not lost.

    Returns:
        Whether the settings have changed.
    """
    due = Organization.objects.select_for_update(no_key=True).filter(
        pk=organization_id, scheduled_settings_at__lte=timezone.now()
    )
    with audit_action("organizations.organization.apply_scheduled_settings"):
        organization: Organization | None = due.first()
        if organization is None:
            return False
        organization.settings = (organization.settings or {}) | organization.scheduled_retention
        organization.scheduled_settings = organization.scheduled_settings_at = None
        organization.save(update_fields=["settings", *_FIELDS])
    return True
