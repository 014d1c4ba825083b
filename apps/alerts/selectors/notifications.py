"""Which routes, recipients and silences concern an alert."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q

from apps.accounts.models import User
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.notifications import PERSONAL_KINDS, ChannelKind, RouteHours
from apps.alerts.models import (
    Alert,
    NotificationChannel,
    NotificationPreference,
    NotificationRoute,
    PushSubscription,
    Silence,
)
from apps.organizations.models import Facility, Organization
from apps.organizations.models.settings import WEEKDAYS, WorkingHours
from urfmp.common.time.zones import zone_or_utc

_VIEW_PERMISSION = "alerts.view_alert"


@dataclass(frozen=True)
class Place:
    """Facility of an alert's robot, and the timezone there."""

    facility_id: UUID | None
    timezone: str


@dataclass(frozen=True)
class Recipient:
    """E-mail address, with its user and the browser of a push message."""

    address: str
    user: User | None = None
    subscription: PushSubscription | None = None


def alert_place(alert: Alert) -> Place:
    """Return the facility and timezone of an alert; one query."""
    name = alert.robot.facility if alert.robot is not None else ""
    default = str(alert.organization.timezone)
    found = Facility.objects.filter(name=name).values_list("pk", "timezone").first() if name else ()
    facility_id, own = found or (None, "")
    return Place(facility_id, own or default)


def is_matched(matchers: Any, *, severity: str, alert_type: str, facility_id: UUID | None) -> bool:
    """Return whether the matchers of a route or silence match.

    Empty matchers always match.

    Args:
        matchers: Route or silence.
        severity: Severity of the alert.
        alert_type: Type of the alert.
        facility_id: Facility of the alert's robot.
    """
    return (
        (not matchers.severities or severity in matchers.severities)
        and (not matchers.types or alert_type in matchers.types)
        and matchers.facility_id in {None, facility_id}
    )


def is_working_time(hours: dict[str, WorkingHours], moment: datetime, zone: ZoneInfo) -> bool:
    """Return whether a moment is within working hours; True without any.

    Args:
        hours: Hours by weekday; an end that is not after the start is on the next day.
        moment: Moment, with a timezone.
        zone: Timezone of the hours.
    """
    if not hours:
        return True
    local = moment.astimezone(zone)
    today = hours.get(WEEKDAYS[local.weekday()])
    yesterday = hours.get(WEEKDAYS[local.weekday() - 1])
    clock = local.time()
    is_today = today is not None and (
        today.start <= clock < today.end if today.start < today.end else today.start <= clock
    )
    is_night_shift = yesterday is not None and yesterday.end <= yesterday.start
    return is_today or (is_night_shift and clock < yesterday.end)  # type: ignore[union-attr]


def quiet_end(
    quiet_from: time | None, quiet_until: time | None, moment: datetime, zone: ZoneInfo
) -> datetime | None:
    """Return the end of the quiet hours around a moment, or None.

    Args:
        quiet_from: Start, on the clock of the timezone.
        quiet_until: End; one that is not after the start is on the next day.
        moment: Moment, with a timezone.
        zone: Timezone of the user.
    """
    if quiet_from is None or quiet_until is None:
        return None
    local = moment.astimezone(zone)
    clock = local.time()
    if quiet_from < quiet_until:
        is_quiet, is_tomorrow = quiet_from <= clock < quiet_until, False
    else:
        is_quiet = clock >= quiet_from or clock < quiet_until
        is_tomorrow = clock >= quiet_from
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if is_tomorrow else 0)
    end = datetime.combine(day, quiet_until, zone)
    # The clock may show a time twice or not at all, so the end can seem to be over.
    return end if end > moment else moment + timedelta(minutes=15)


def matching_routes(
    alert: Alert, place: Place, organization: Organization, now: datetime
) -> list[NotificationRoute]:
    """Return the routes of an alert in order, with their channels.

    Args:
        alert: Alert that is notified.
        place: Its facility and timezone.
        organization: Organization with the working hours.
        now: Time that working hours are compared with.
    """
    rows = NotificationRoute.objects.filter(is_enabled=True).prefetch_related("steps__channel")
    hours = dict(organization.effective_settings.working_hours)
    is_working = is_working_time(hours, now, zone_or_utc(place.timezone))
    found = []
    for route in rows.order_by("position", "name", "pk"):
        is_in_hours = {RouteHours.WORKING: is_working, RouteHours.OFF: not is_working}
        if is_in_hours.get(route.hours, True) and is_matched(
            route,
            severity=alert.severity,
            alert_type=alert.type,
            facility_id=place.facility_id,
        ):
            found.append(route)
            if not route.continues:
                break
    return found


def channel_recipients(channel: NotificationChannel) -> list[Recipient]:
    """Return the addresses or browsers of a channel, each once.

    Users who are inactive, or may not view alerts, are left out.
    """
    if channel.kind not in PERSONAL_KINDS:
        return []
    addresses = {address.lower(): address for address in channel.addresses}
    rows = User.objects.filter(Q(role__in=channel.roles) | Q(email__in=list(addresses)))
    users = {user.email.lower(): user for user in rows.filter(is_system=False).order_by("email")}
    found = [
        Recipient(user.email, user) for user in users.values() if user.has_perm(_VIEW_PERMISSION)
    ]
    if channel.kind == ChannelKind.WEB_PUSH:
        return _browsers(found)
    return found + [
        Recipient(address) for lower, address in addresses.items() if lower not in users
    ]


def _browsers(recipients: list[Recipient]) -> list[Recipient]:
    users = {recipient.user.pk: recipient for recipient in recipients if recipient.user}
    rows = PushSubscription.objects.active().filter(user__in=list(users))
    return [replace(users[row.user_id], subscription=row) for row in rows]


def active_silence(
    silences: Iterable[Silence], alert: Alert, facility_id: UUID | None, now: datetime
) -> Silence | None:
    """Return the silence of an alert that ends last, or None.

    Args:
        silences: Silences of the organization.
        alert: Alert.
        facility_id: Facility of its robot.
        now: Time at which the silence is active.
    """
    found = [
        silence
        for silence in silences
        if silence.starts_at <= now < silence.ends_at
        and silence.robot_id in {None, alert.robot_id}
        and is_matched(
            silence,
            severity=alert.severity,
            alert_type=alert.type,
            facility_id=facility_id,
        )
    ]
    return max(found, key=lambda silence: silence.ends_at, default=None)


def preferences_of(user_ids: Collection[UUID]) -> dict[UUID, NotificationPreference]:
    """Return the stored preferences of users by their id."""
    rows = NotificationPreference.objects.filter(user_id__in=user_ids)
    return {row.user_id: row for row in rows}


def is_wanted(preference: NotificationPreference | None, severity: str) -> bool:
    """Return whether a user wants e-mails about a severity; critical ones always."""
    if preference is None or severity == AlertSeverity.CRITICAL:
        return True
    order = AlertSeverity.values
    return order.index(severity) >= order.index(preference.min_severity)


@dataclass(frozen=True)
class Backlog:
    """Pending deliveries of all organizations that are due.

    Attributes:
        oldest_critical_seconds: Time since the oldest critical one was due; 0 if there is none.
        oldest_seconds: The same for the others.
    """

    oldest_critical_seconds: float
    oldest_seconds: float


def delivery_backlog() -> Backlog:
    """Return the age of the oldest due deliveries; needs no tenant transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT critical_seconds, other_seconds FROM notification_backlog()")
        return Backlog(*(float(seconds) for seconds in cursor.fetchone()))
