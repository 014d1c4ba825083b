"""Routes: which alerts are sent to which channels, and when."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.alerts.choices.notifications import MAX_GROUP_SECONDS, MAX_MINUTES, RouteHours
from apps.alerts.models.channels import text_array
from apps.alerts.querysets import NotificationRouteQuerySet, NotificationStepQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.tenancy.models import TenantModel

_GROUP_SECONDS = [MaxValueValidator(MAX_GROUP_SECONDS)]


class NotificationRoute(TenantModel):
    """A rule that sends matching alerts to channels.

    Routes are tried by position; the first that matches is the last, unless `continues` is set.
    Empty matchers match everything.

    Attributes:
        hours: Times at which the route applies, by the organization's working hours in the
            timezone of the robot's facility.
        group_wait_seconds: Time for which e-mails collect further alerts of the facility.
        group_interval_seconds: Minimum time between two e-mails of the facility.
        repeat_minutes: Interval of reminders until the alert is acknowledged; None for none.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    name = NameField(max_length=100)
    position = models.PositiveIntegerField(
        default=100, db_default=100, help_text="Routes are tried in this order, lowest first."
    )
    severities = text_array()
    types = text_array()
    facility = unconstrained_fk(
        "organizations.Facility", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    hours = models.CharField(
        max_length=20,
        choices=RouteHours,
        default=RouteHours.ALWAYS,
        db_default=RouteHours.ALWAYS,
        help_text="By the organization's working hours, in the timezone of the robot's facility.",
    )
    continues = models.BooleanField(
        "try further routes",
        default=False,
        db_default=False,
        help_text="Whether routes after this one are tried as well.",
    )
    group_wait_seconds = models.PositiveIntegerField(
        "collect for, seconds",
        default=30,
        db_default=30,
        validators=_GROUP_SECONDS,
        help_text="An e-mail waits this long for further alerts of the facility. Critical alerts do"
        " not wait.",
    )
    group_interval_seconds = models.PositiveIntegerField(
        "at most one e-mail in, seconds",
        default=300,
        db_default=300,
        validators=_GROUP_SECONDS,
        help_text="Time between two e-mails about a facility to a recipient.",
    )
    repeat_minutes = models.PositiveIntegerField(
        "repeat after, minutes",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_MINUTES)],
        help_text="Reminders are sent until the alert is acknowledged. Leave blank for none.",
    )
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = NotificationRouteQuerySet.as_manager()

    class Meta:
        db_table = "notification_routes"
        ordering = ("position", "name", "id")
        verbose_name = "route"
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "name"), name="notification_routes_name_key"
            ),
            choices_check("notification_routes", "hours", RouteHours),
            name_check("notification_routes", "name"),
        )
        indexes = (models.Index(fields=("facility",), name="idx_notification_routes_place"),)

    def __str__(self) -> str:
        return str(self.name)


class NotificationStep(TenantModel):
    """A channel of a route.

    Steps after 0 minutes send at once. The others escalate: they send if the alert is not
    acknowledged by then.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    route = unconstrained_fk(
        "alerts.NotificationRoute", on_delete=models.DO_NOTHING, related_name="steps"
    )
    channel = unconstrained_fk(
        "alerts.NotificationChannel", on_delete=models.DO_NOTHING, related_name="steps"
    )
    after_minutes = models.PositiveIntegerField(
        default=0, db_default=0, validators=[MaxValueValidator(MAX_MINUTES)]
    )

    objects: ClassVar[Any] = NotificationStepQuerySet.as_manager()

    class Meta:
        db_table = "notification_steps"
        ordering = ("after_minutes", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("route", "after_minutes", "channel"), name="notification_steps_key"
            ),
        )
        indexes = (
            models.Index(fields=("channel",), name="idx_notification_steps_channel"),
            models.Index(fields=("organization",), name="idx_notification_steps_owner"),
        )

    def __str__(self) -> str:
        return f"{self.channel} after {self.after_minutes} min"
