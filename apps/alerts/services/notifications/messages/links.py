"""Links of messages to pages."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from apps.alerts.models import Alert


def alert_url(alert: Alert) -> str:
    """Return the URL of an alert's page."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:alerts_alert_change', args=[alert.pk])}"
