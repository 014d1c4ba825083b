"""The calendar feed of a user, at a secret address.

It is public and ignores other credentials. The token is a query parameter, because the log of
denied requests has paths without their query.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from apps.accounts.auth.requests import request_actor
from apps.accounts.exceptions import TooManyAttemptsError
from apps.accounts.models import User
from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.protocols.icalendar import CONTENT_TYPE, CalendarEvent, calendar_text
from apps.maintenance.selectors.calendar_feeds import FeedCredential, feed_credential, feed_tasks
from apps.maintenance.throttling import throttle_feed_read, throttle_unknown_feed
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.pages.selectors.maintenance.entries import task_time

_DEFAULT_DURATION = timedelta(minutes=30)
_MAX_DURATION = timedelta(days=30)


class _UnknownTokenError(Exception):
    """The token is unknown or revoked."""


def feed_url(token: str) -> str:
    """Return the address of a feed."""
    path = reverse("admin:calendar_feed")
    return f"{settings.WEB_ORIGIN}{path}?{urlencode({'token': token})}"


@require_safe
def calendar_feed(request: HttpRequest) -> HttpResponseBase:
    """Send the tasks of a feed's user; a revoked address is 404."""
    actor = request_actor(request)
    try:
        with throttle_unknown_feed(actor.ip_address):
            credential = _credential(request.GET.get("token", ""))
        throttle_feed_read(credential.organization_id, credential.id)
    except _UnknownTokenError:
        return render(request, "404.html", status=404)
    except TooManyAttemptsError as error:
        response = HttpResponse(error.message, content_type="text/plain", status=error.status)
        response["Retry-After"] = str(error.retry_after)
        return response
    body = _feed(credential)
    response = HttpResponse(body, content_type=CONTENT_TYPE)
    response["Content-Disposition"] = 'inline; filename="maintenance.ics"'
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _credential(token: str) -> FeedCredential:
    if (credential := feed_credential(token)) is None:
        raise _UnknownTokenError
    return credential


def _feed(credential: FeedCredential) -> bytes:
    with tenant_transaction(credential.organization_id):
        user: User | None = User.objects.filter(pk=credential.user_id).first()
        tasks = feed_tasks(user) if user is not None else []
        events = [_event(task) for task in tasks]
    return calendar_text("Maintenance", events)


def _event(task: MaintenanceTask) -> CalendarEvent:
    is_done = task.status == MaintenanceStatus.COMPLETED
    minutes = timedelta(minutes=task.estimated_duration or 0)
    page = reverse("admin:maintenance_maintenancetask_change", args=[task.pk])
    robot = task.robot
    about = [
        f"Robot: {robot.name}" if robot else "",
        f"State: {task.get_status_display()}",
        f"Priority: {task.get_priority_display()}",
        task.description or "",
    ]
    return CalendarEvent(
        uid=f"{task.pk}@urfmp",
        changed_at=task.updated_at,
        starts_at=task_time(task),  # type: ignore[arg-type]  # the feed has tasks with a time only
        duration=min(minutes, _MAX_DURATION) or _DEFAULT_DURATION,
        summary=f"Done: {task.title}" if is_done else str(task.title),
        description="\n".join(line for line in about if line),
        location=robot.facility if robot else "",
        category=task.get_type_display(),
        url=f"{settings.WEB_ORIGIN}{page}",
        is_done=is_done,
    )
