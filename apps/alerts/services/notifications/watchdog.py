"""Report undelivered notifications and stalled rules by another way.

`/readyz` reports it while the web process runs, for monitoring outside of the platform. The
watchdog's job opens an alert and sends an e-mail to the admins without the outbox.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.accounts.choices import Role
from apps.accounts.models import User
from apps.alerts.choices.alerts import AlertSeverity, AlertSource, AlertType
from apps.alerts.choices.notifications import PENDING_STATES
from apps.alerts.models import Alert, Delivery
from apps.alerts.models.deliveries import CRITICAL_LANE
from apps.alerts.selectors.notifications import delivery_backlog
from apps.alerts.selectors.rules import evaluation_stalled_seconds
from apps.alerts.services.alerts import alert_report, alert_resolve
from urfmp.common.mail import MailNotConfiguredError, mail_send
from urfmp.common.tenancy.context import tenant_transaction

logger = logging.getLogger(__name__)

MAX_CRITICAL_SECONDS = 60
MAX_OTHER_SECONDS = 600
MAX_WORKER_SILENCE_SECONDS = 60
MAX_EVALUATION_SECONDS = 60
_KEY = "notifications-undelivered"


def delivery_problems() -> list[str]:
    """Return why notifications are not delivered in time, for `/readyz`."""
    problems = []
    backlog = delivery_backlog()
    if backlog.oldest_critical_seconds > MAX_CRITICAL_SECONDS:
        seconds = round(backlog.oldest_critical_seconds)
        problems.append(f"A critical notification is undelivered for {seconds} s.")
    if backlog.oldest_seconds > MAX_OTHER_SECONDS:
        problems.append(f"A notification is overdue for {round(backlog.oldest_seconds)} s.")
    silence = _worker_silence()
    if silence is None or silence > timedelta(seconds=MAX_WORKER_SILENCE_SECONDS):
        problems.append("No worker is running: alerts are neither evaluated nor sent.")
    elif (stalled := evaluation_stalled_seconds()) > MAX_EVALUATION_SECONDS:
        problems.append(f"Alert rules have not been evaluated for {round(stalled)} s.")
    return problems


def _worker_silence() -> timedelta | None:
    """Return the time since a worker's last heartbeat, or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - max(last_heartbeat) FROM procrastinate_workers")
        silence: timedelta | None = cursor.fetchone()[0]
    return silence


def watchdog_check(organization_id: UUID) -> bool:
    """Report undelivered critical notifications; return whether there are some.

    Args:
        organization_id: Organization; its transactions are opened here.
    """
    with tenant_transaction(organization_id):
        overdue = _overdue()
        opened = alert_open = Alert.objects.unresolved().filter(key=_KEY, robot=None).first()
        if overdue and alert_open is None:
            opened = _open_alert(organization_id, overdue)
        elif not overdue and alert_open is not None:
            alert_resolve(alert_open, None, resolution="Critical notifications are sent again.")
        mails = _mails(overdue) if overdue and alert_open is None else []
    for mail in mails:
        try:
            mail_send(**mail)
        except MailNotConfiguredError:
            break
        except OSError:
            logger.exception("The watchdog could not send an e-mail.")
    return bool(overdue and opened)


def _overdue() -> list[Delivery]:
    limit = timezone.now() - timedelta(seconds=MAX_CRITICAL_SECONDS)
    rows = Delivery.objects.filter(
        lane=CRITICAL_LANE, state__in=PENDING_STATES, held_reason="", alert__isnull=False
    )
    # An escalation is written long before it is due, so its age says nothing.
    is_late = Q(attempts=0, due_at__lt=limit) | Q(attempts__gt=0, first_attempt_at__lt=limit)
    rows = rows.filter(is_late)
    return list(rows.exclude(alert__key=_KEY).select_related("channel", "alert")[:20])


def _open_alert(organization_id: UUID, overdue: list[Delivery]) -> Alert:
    channels = ", ".join(sorted({str(row.channel) for row in overdue}))
    return alert_report(
        organization_id=organization_id,
        key=_KEY,
        type=AlertType.SYSTEM,
        source=AlertSource.SYSTEM,
        severity=AlertSeverity.ERROR,
        title="Critical notifications are not delivered",
        message=f"Affected channels: {channels}. Look at the delivery log of the channel, and check"
        " that its receiver answers.",
    ).alert


def _mails(overdue: list[Delivery]) -> list[dict[str, Any]]:
    """Return the e-mails to the organization's admins."""
    rows = User.objects.filter(role=Role.ADMIN, is_active=True, is_system=False)
    context = {
        "deliveries": overdue,
        "link": f"{settings.WEB_ORIGIN}{reverse('admin:alerts_alert_changelist')}",
    }
    return [
        {
            "to": user.email,
            "subject": "Critical notifications are not delivered",
            "template": "mail/undelivered.txt",
            "context": {**context, "user": user, "organization": user.organization},
            "timezone": user.effective_timezone,
            "locale": user.organization.effective_settings.locale,
        }
        for user in rows.select_related("organization").order_by("email")
    ]
