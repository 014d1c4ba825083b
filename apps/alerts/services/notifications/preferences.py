"""Change what a user wants to receive."""

from __future__ import annotations

from datetime import time

from apps.accounts.models import User
from apps.alerts.models import NotificationPreference
from urfmp.common.tenancy.context import audit_action


def preference_get(user: User) -> NotificationPreference:
    """Return a user's preferences; unsaved defaults if there are none."""
    stored: NotificationPreference | None = NotificationPreference.objects.filter(user=user).first()
    return stored or NotificationPreference(organization_id=user.organization_id, user=user)


def preference_update(
    user: User,
    *,
    min_severity: str,
    quiet_from: time | None,
    quiet_until: time | None,
    has_sound: bool = False,
) -> NotificationPreference:
    """Set a user's preferences.

    Args:
        user: User; the row is locked, so that two requests do not both create preferences.
        min_severity: Lowest severity of e-mails; critical ones are always sent.
        quiet_from: Start of the quiet hours in the user's timezone, or None.
        quiet_until: Their end, or None.
        has_sound: Whether pages play a sound for new critical alerts.

    Raises:
        ValidationError: A value is invalid, or only one end of the quiet hours is given.
    """
    with audit_action("alerts.preference.update"):
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        preference = preference_get(user)
        preference.min_severity = min_severity
        preference.quiet_from, preference.quiet_until = quiet_from, quiet_until
        preference.has_sound = has_sound
        preference.full_clean()
        preference.save()
    return preference
