"""Browsers of users that receive push messages."""

from __future__ import annotations

from django.db.models import Q

from apps.accounts.models import User
from apps.alerts.choices.notifications import ChannelKind
from apps.alerts.models import NotificationChannel, PushSubscription


def own_push_subscriptions(user: User) -> list[PushSubscription]:
    """Return the browsers of a user that receive push messages."""
    return list(PushSubscription.objects.active().filter(user=user))


def sends_push_messages(user: User) -> bool:
    """Return whether an enabled channel sends push messages to a user."""
    rows = NotificationChannel.objects.filter(kind=ChannelKind.WEB_PUSH, is_enabled=True)
    is_recipient = Q(roles__contains=[user.role]) | Q(addresses__contains=[user.email])
    return bool(rows.filter(is_recipient).exists())
