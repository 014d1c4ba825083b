"""An organization with one row of each model, and the URLs of those rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.urls import get_resolver, reverse
from django.utils import timezone

from tests.support.access_matrix import WITHOUT_ROW

MARK = "zebra-7f3a"  # in every name that belongs to organization A


@pytest.fixture
def make_everything(make_facility, make_robot, make_user, tenant, client_for) -> Callable[..., Any]:
    """Return a function that creates one row of each model, all with a mark.

    It returns the ids by the prefix of their routes.
    """
    from apps.accounts.models import UserSession
    from apps.accounts.services.api_keys import api_key_create
    from apps.accounts.services.invitations import invitation_create
    from apps.accounts.services.users import system_user_get
    from apps.alerts.models import Delivery
    from apps.alerts.services.alerts import alert_report
    from apps.alerts.services.notifications.channels import channel_create
    from apps.alerts.services.notifications.routes import Step, route_create
    from apps.alerts.services.notifications.silences import silence_create
    from apps.alerts.services.rules.rules import alert_rule_create
    from apps.audit.models import AuditLog
    from apps.maintenance.services.schedules import schedule_create
    from apps.maintenance.services.tasks import task_create
    from apps.organizations.models import FloorPlan
    from apps.robots.models import RobotCommand
    from apps.robots.protocols.fleet_files.readers import rows_of_objects
    from apps.robots.services.imports.control import robot_import_create
    from apps.telemetry.protocols.points import DecodedBatch, Point
    from apps.telemetry.services.imports import import_upload
    from apps.telemetry.services.telemetry import telemetry_ingest

    def make(organization: Any, mark: str) -> dict[str, UUID]:
        facility = make_facility(organization, f"Hall {mark}")
        robot = make_robot(
            organization,
            name=f"Robot {mark}",
            serial_number=f"SN-{mark}",
            location={"facility": facility.name},
        )
        user = make_user(organization, "viewer", f"{mark}@x.example", first_name=mark)
        client_for(user)
        time = timezone.now() - timedelta(minutes=1)
        points = [(0, Point(f"m.{mark.replace('-', '_')}", time, 7.25, robot_id=robot.pk))]
        telemetry_ingest(organization_id=organization.id, decode=lambda: DecodedBatch(points))
        with tenant(organization):
            author = system_user_get(organization_id=organization.id)
            task = task_create(
                organization_id=organization.id,
                created_by=author,
                title=f"Task {mark}",
                type="preventive",
                robot=robot,
                scheduled_at=timezone.now() + timedelta(days=1),
            )
            alert = alert_report(
                organization_id=organization.id,
                robot=robot,
                type="system",
                severity="error",
                title=f"Alert {mark}",
                message=mark,
            ).alert
            rule = alert_rule_create(
                organization_id=organization.id,
                name=f"Rule {mark}",
                scope="robot",
                robot=robot,
                condition={"clauses": [{"metric": "m.other", "threshold": 1.0}]},
            )
            channel = channel_create(
                organization_id=organization.id,
                kind="email",
                name=f"Channel {mark}",
                roles=["admin"],
                addresses=[f"{mark}-hall@x.example"],
            )
            route = route_create(
                organization_id=organization.id, name=f"Route {mark}", steps=[Step(channel)]
            )
            silence = silence_create(
                organization_id=organization.id,
                reason=f"Silence {mark}",
                robot=robot,
                ends_at=timezone.now() + timedelta(days=1),
            )
            delivery = Delivery.objects.create(
                organization=organization,
                channel=channel,
                alert=alert,
                notice="opened",
                severity="error",
                address=f"{mark}-hall@x.example",
                state="dead",
                last_error=mark,
            )
            schedule = schedule_create(
                organization_id=organization.id,
                created_by=author,
                title=f"Schedule {mark}",
                robot=robot,
                running_hours=500,
            )
            parts = _make_parts(facility, task, mark)
            checklist = _make_checklist(task, mark)
            invitation = invitation_create(
                organization_id=organization.id, email=f"{mark}-invited@x.example", role="custom"
            )
            command = RobotCommand.objects.create(
                organization=organization, robot=robot, type="pause", payload={"note": mark}
            )
            key, _ = api_key_create(
                organization_id=organization.id, user=author, name=f"Key {mark}", permissions=[]
            )
            telemetry_import = import_upload(
                organization_id=organization.id,
                robot=robot,
                created_by=author,
                file_name=f"{mark}.csv",
                parts=[f"time,{mark}\n2026-01-01T00:00:00Z,1\n".encode()],
            )
            FloorPlan.objects.create(
                organization=organization,
                facility=facility,
                file_name=f"{mark}.png",
                media_type="image/png",
                width_px=200,
                height_px=100,
                digest="0" * 64,
                picture=b"picture",
            )
            robot_import = robot_import_create(
                organization_id=organization.id,
                created_by=author,
                file_name=f"{mark}.json",
                rows=rows_of_objects([{"serial_number": mark}]),
            )
            session = UserSession.objects.filter(user=user).first()
            audit = AuditLog.objects.first()
        return {
            "organization": organization.pk,
            "facility": facility.pk,
            "robot": robot.pk,
            "user": user.pk,
            "invitation": invitation.pk,
            "session": session.pk,
            "maintenance-task": task.pk,
            "maintenance-schedule": schedule.pk,
            **parts,
            **checklist,
            "alert": alert.pk,
            "alert-rule": rule.pk,
            "command": command.pk,
            "api-key": key.pk,
            "audit-log": audit.pk,
            "notification-channel": channel.pk,
            "notification-route": route.pk,
            "silence": silence.pk,
            "delivery": delivery.pk,
            "telemetry-import": telemetry_import.pk,
            "robot-import": robot_import.pk,
        }

    return make


def _make_parts(facility: Any, task: Any, mark: str) -> dict[str, UUID]:
    """Create a part with a stock that the task uses."""
    from apps.maintenance.models import TaskPart
    from apps.maintenance.services.part_movements import part_movement_create
    from apps.maintenance.services.parts import part_create, part_stock_create

    organization_id = facility.organization_id
    part = part_create(organization_id=organization_id, number=f"P-{mark}", name=f"Part {mark}")
    stock = part_stock_create(
        organization_id=organization_id,
        part=part,
        facility=facility,
        storage_location=f"Shelf {mark}",
    )
    movement = part_movement_create(stock=stock, kind="receive", quantity=Decimal(9))
    part_movement_create(stock=stock, kind="use", quantity=Decimal(1), task=task)
    return {
        "part": part.pk,
        "part-stock": stock.pk,
        "part-movement": movement.pk,
        "task-part": TaskPart.objects.get(task=task).pk,
    }


def _make_checklist(task: Any, mark: str) -> dict[str, UUID]:
    """Create a template, a step of the task, a file and a work request."""
    from apps.maintenance.models import TaskStep
    from apps.maintenance.services.task_files import CheckedFile, task_file_add
    from apps.maintenance.services.templates import template_create
    from apps.maintenance.services.work_requests import work_request_create

    work_request = work_request_create(robot=task.robot, title=f"Request {mark}")
    template = template_create(
        organization_id=task.organization_id, title=f"Template {mark}", type="cleaning"
    )
    step = TaskStep.objects.create(
        organization_id=task.organization_id,
        task=task,
        position=1,
        title=f"Step {mark}",
        kind="text",
        is_required=False,
    )
    file = task_file_add(task, CheckedFile("text/plain", mark.encode()), file_name=f"{mark}.txt")
    return {
        "task-template": template.pk,
        "task-step": step.pk,
        "task-file": file.pk,
        "work-request": work_request.pk,
    }


@pytest.fixture
def ids(organization_a, make_everything) -> dict[str, UUID]:
    return make_everything(organization_a, MARK)


def routes(resolver: Any = None, namespaces: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the name of every route."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if hasattr(pattern, "url_patterns"):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from routes(pattern, inner)
        else:
            yield ":".join((*namespaces, str(pattern.name)))


def address(route: str, ids: dict[str, UUID]) -> str:
    """Return the URL of a route, filled in with the ids."""
    if route == "telemetry-export":
        range_ = "start=2026-01-01T00:00:00Z&end=2100-01-01T00:00:00Z"
        return reverse(f"api:{route}") + f"?format=csv&{range_}&robots={ids['robot']}"
    if route == "fleet-series" or route.startswith(
        ("telemetry-", "robot-commands", "robot-stop-requests", "robot-status-history")
    ):
        of_robot = {} if route == "fleet-series" else {"robot_id": ids["robot"]}
        path = reverse(f"api:{route}", kwargs=of_robot)
        if route.endswith(("-series", "-histogram")):
            name = "metric" if route.endswith("-histogram") else "metrics"
            path += f"?{name}=m.{MARK.replace('-', '_')}&start=2026-01-01T00:00:00Z"
            path += f"&end={(timezone.now() + timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}"
            path += "" if of_robot else f"&robots={ids['robot']}"
        return path
    if route.endswith("-list") or route in WITHOUT_ROW:
        return reverse(f"api:{route}")
    if route.startswith("device-command-"):
        return reverse(f"api:{route}", kwargs={"command_id": ids["command"]})
    resource = re.sub(
        r"-(detail|floor-plan|floor-plan-picture|password-link|second-factor|start|hold|resume|join|leave|complete|correct-duration|labour|send-back|reopen|cancel|acknowledge|resolve|rotate|resend"
        r"|set-plan|deactivate|reactivate|cancel-scheduled-settings|return-to-service"
        r"|change-lifecycle|test|end|replay|purge|reveal-secret|take-control|release-control|claim-code|errors|approve|reject"
        r"|record|follow-up|content|settle|dismiss|accept|lock-for-maintenance|release-from-maintenance|assign|comment|snooze|events|preview)$",
        "",
        route.removeprefix("platform-"),
    )
    return reverse(f"api:{route}", kwargs={"pk": ids[resource]})


# Models with one row in the sample data, and the key of its id.
RESOURCE = {
    "organization": "organization",
    "platformorganization": "organization",
    "facility": "facility",
    "robot": "robot",
    "user": "user",
    "invitation": "invitation",
    "usersession": "session",
    "maintenancetask": "maintenance-task",
    "maintenanceschedule": "maintenance-schedule",
    "part": "part",
    "tasktemplate": "task-template",
    "partstock": "part-stock",
    "workrequest": "work-request",
    "alert": "alert",
    "alertrule": "alert-rule",
    "robotcommand": "command",
    "apikey": "api-key",
    "auditlog": "audit-log",
    "notificationchannel": "notification-channel",
    "notificationroute": "notification-route",
    "silence": "silence",
    "delivery": "delivery",
}


def model_pages() -> Iterator[tuple[Any, str]]:
    """Yield each model with admin pages, and the prefix of their route names."""
    for model in admin.site._registry:
        opts = model._meta
        prefix = f"admin:{opts.app_label}_{opts.model_name}"
        yield model, prefix
