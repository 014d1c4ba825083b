"""Create, change and delete routes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from apps.alerts.choices.alerts import AlertSeverity, AlertType
from apps.alerts.choices.notifications import (
    MAX_MINUTES,
    MAX_ROUTES_PER_ORGANIZATION,
    MAX_STEPS_PER_ROUTE,
)
from apps.alerts.exceptions import TooManyRowsError
from apps.alerts.models import NotificationChannel, NotificationRoute, NotificationStep
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action


@dataclass(frozen=True)
class Step:
    """A channel of a route, notified after some minutes."""

    channel: NotificationChannel
    after_minutes: int = 0


def _unique_name() -> AbstractContextManager[None]:
    return unique_error_on(
        "name", "A route with this name already exists.", "notification_routes_name_key"
    )


def route_create(
    *, organization_id: UUID, steps: Sequence[Step], **fields: Any
) -> NotificationRoute:
    """Create a route.

    Args:
        organization_id: Organization of the route.
        steps: Channels that are notified.
        fields: Further columns.

    Raises:
        TooManyRowsError: The organization has the maximum number of routes.
        ValidationError: A field is invalid, or the name is taken.
    """
    route = NotificationRoute(organization_id=organization_id, **fields)
    with _unique_name(), audit_action("alerts.route.create"):
        if NotificationRoute.objects.count() >= MAX_ROUTES_PER_ORGANIZATION:
            raise TooManyRowsError
        _clean(route)
        _check_steps(steps)
        route.full_clean()
        route.save(force_insert=True)
        route.refresh_from_db(fields=["created_at", "updated_at"])
        _store_steps(route, steps)
    return route


def route_update(
    route: NotificationRoute, *, steps: Sequence[Step] | None = None, **changes: Any
) -> NotificationRoute:
    """Change a route; deliveries that are already written stay.

    Args:
        route: Route.
        steps: Channels that replace the previous ones; None to keep them.
        changes: Changed columns.

    Raises:
        ValidationError: A field is invalid, or the name is taken.
    """
    with _unique_name(), audit_action("alerts.route.update"):
        # Two changes at once must not mix their steps.
        route = NotificationRoute.objects.select_for_update(no_key=True).get(pk=route.pk)
        for name, value in changes.items():
            setattr(route, name, value)
        _clean(route)
        route.full_clean()
        route.save(update_fields=list(changes))
        if steps is not None:
            _check_steps(steps)
            _store_steps(route, steps)
        route.refresh_from_db(fields=["updated_at"])
    return route


def route_delete(route: NotificationRoute) -> None:
    """Delete a route; deliveries that are already written stay."""
    with audit_action("alerts.route.delete"):
        NotificationRoute.objects.filter(pk=route.pk).delete()


def check_matchers(row: Any) -> None:
    """Check and sort the severities and types of a matcher.

    Raises:
        ValidationError: A value is unknown.
    """
    errors = {}
    for name, choices in (("severities", AlertSeverity), ("types", AlertType)):
        given = getattr(row, name)
        if unknown := sorted(set(given) - {*choices.values}):
            errors[name] = f"Unknown: {', '.join(unknown)[:100]}. Use {', '.join(choices.values)}."
        setattr(row, name, [value for value in choices.values if value in given])
    if errors:
        raise ValidationError(errors)


def _clean(route: NotificationRoute) -> None:
    check_matchers(route)
    facility = route.facility
    if facility is not None and facility.organization_id != route.organization_id:
        raise ValidationError({"facility": "Facility not found."})


def _check_steps(steps: Sequence[Step]) -> None:
    error = ""
    if not any(step.after_minutes == 0 for step in steps):
        error = "Choose at least one channel that is notified at once."
    elif len(steps) > MAX_STEPS_PER_ROUTE:
        error = f"A route has at most {MAX_STEPS_PER_ROUTE} steps."
    elif any(not 0 <= step.after_minutes <= MAX_MINUTES for step in steps):
        error = f"Enter minutes from 0 to {MAX_MINUTES}."
    elif len({(step.channel.pk, step.after_minutes) for step in steps}) < len(steps):
        error = "A channel is named twice for the same time."
    if error:
        raise ValidationError({"steps": error})


def _store_steps(route: NotificationRoute, steps: Sequence[Step]) -> None:
    wanted = {(step.channel.pk, step.after_minutes) for step in steps}
    stored = {(row.channel_id, row.after_minutes): row for row in route.steps.all()}
    removed = [row.pk for key, row in stored.items() if key not in wanted]
    NotificationStep.objects.filter(pk__in=removed).delete()
    NotificationStep.objects.bulk_create(
        [
            NotificationStep(
                organization_id=route.organization_id,
                route=route,
                channel_id=channel_id,
                after_minutes=after_minutes,
            )
            for channel_id, after_minutes in sorted(wanted - stored.keys(), key=str)
        ]
    )
