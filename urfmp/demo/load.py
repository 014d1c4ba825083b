"""Load the demo fleet, one transaction for each organization.

An organization's credentials are written just before its commit. After an interruption each
organization is loaded completely or not at all. The next run resolves differences between the
credentials file and the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from apps.accounts.models import ApiKey, User
from apps.accounts.selectors.credentials import key_credential
from apps.accounts.services.api_keys import api_key_create, api_key_revoke
from apps.accounts.services.users import system_user_get, user_create, user_update
from apps.alerts.models import Alert
from apps.alerts.services.rules.rules import built_in_rules_add
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
from apps.maintenance.services.schedules import schedule_create
from apps.maintenance.services.tasks import task_create
from apps.organizations.selectors import organization_by_slug
from apps.organizations.services.facilities import facility_create
from apps.organizations.services.organizations import organization_create
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.robots import robot_register
from apps.telemetry.services.pending_work import pending_work_enqueue_stored
from urfmp.common.tenancy.context import audit_action, tenant_transaction
from urfmp.demo.credentials import CredentialsFile, readable_password
from urfmp.demo.events import DemoContext, past_alerts, past_commands
from urfmp.demo.fleet import FIRST_LOGIN, ORGANIZATIONS, OrganizationPlan, UserPlan
from urfmp.demo.floor_plans import floor_plan_load
from urfmp.demo.maintenance import (
    parts_load,
    past_labour,
    past_tasks,
    past_timelines,
    planned_tasks,
    requests_load,
    schedules,
)
from urfmp.demo.points import Row, telemetry_rows
from urfmp.demo.timeline import StatusSpan, status_week

DEVICE_KEY_NAME = "Device key"
DEVICE_SCOPES = ["robots:read", "telemetry:read", "telemetry:write", "commands:write"]
# The past ends here, so that its last status, offline, is true until the robots report.
_SILENT_PERIOD = timedelta(seconds=60)
_SILENT_REASON = "No data for 30 seconds."
_ADVISORY_LOCK_ID = 7_236_001  # any number not used elsewhere
_TELEMETRY = "COPY robot_telemetry (robot_id, metric_name, time, value, unit, metadata)"
_TELEMETRY_TYPES = ["uuid", "varchar", "timestamptz", "float8", "varchar", "jsonb"]
_HISTORY = "COPY robot_status_history (time, robot_id, status, previous_status, reason, metadata)"
_HISTORY_TYPES = ["timestamptz", "uuid", "varchar", "varchar", "text", "jsonb"]
ProgressCallback = Callable[[str], None]


class DemoLoader:
    """One run of the loader."""

    def __init__(
        self,
        credentials: CredentialsFile,
        *,
        now: datetime,
        days: int,
        on_progress: ProgressCallback,
    ) -> None:
        """Create a loader.

        Args:
            credentials: File of passwords and keys.
            now: End of the past; aware.
            days: Length of the past.
            on_progress: Called with one line of progress.
        """
        self._credentials = credentials
        self._end = now - _SILENT_PERIOD
        self._start = now - timedelta(days=days)
        self._now = now
        self._on_progress = on_progress

    def load(self) -> None:
        """Load missing organizations and synchronize passwords and keys.

        Each organization is committed on its own. Its transaction holds an advisory lock, so that
        concurrent runs wait for each other.
        """
        is_renewing = self._credentials.was_lost
        for plan in ORGANIZATIONS:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK_ID])
                organization_id = organization_by_slug(plan.slug)
                is_new = organization_id is None
                if organization_id is None:
                    organization_id = self._create(plan)
                with tenant_transaction(organization_id):
                    self._load_users(plan, organization_id)
                    if is_new:
                        self._load_organization(plan, organization_id)
                    self._load_device_keys(plan, organization_id)
                self._credentials.save()
            if is_new:
                self._on_progress(f"{plan.name}: loaded.")
            elif is_renewing:
                self._on_progress(
                    f"{plan.name}: already loaded; passwords and device keys were renewed."
                )
            else:
                self._on_progress(f"{plan.name}: already loaded.")

    def _create(self, plan: OrganizationPlan) -> UUID:
        organization = organization_create(
            name=plan.name,
            slug=plan.slug,
            plan=plan.plan,
            settings={"timezone": plan.timezone},
        )
        return UUID(str(organization.pk))

    def _load_users(self, plan: OrganizationPlan, organization_id: UUID) -> None:
        for user_plan in plan.users:
            email = plan.email(user_plan)
            password = self._credentials.password(email)
            user = User.objects.filter(organization_id=organization_id, email=email).first()
            if user is None:
                password = password or readable_password()
                _create_user(organization_id, email, user_plan, password)
            elif password is None or not user.check_password(password):
                password = password or readable_password()
                user_update(user, password=password)
                if not self._credentials.was_lost:
                    self._on_progress(f"{email}: the password was reset to the one in the file.")
            self._credentials.set_user(
                email=email, password=password, role=user_plan.role, organization=plan.slug
            )
        if plan is FIRST_LOGIN[0]:
            self._credentials.set_login(email=plan.email(FIRST_LOGIN[1]), organization=plan.slug)

    def _load_device_keys(self, plan: OrganizationPlan, organization_id: UUID) -> None:
        serials = [robot.serial_number for robot in plan.robots]
        robots = Robot.objects.filter(
            organization_id=organization_id, serial_number__in=serials, is_active=True
        )
        system = None
        for robot in robots.order_by("pk"):
            key = self._credentials.device_key(robot.serial_number)
            known = key_credential(key) if key else None
            if known is not None and known.robot_id == robot.pk:
                continue
            system = system or system_user_get(organization_id=organization_id)
            for old in ApiKey.objects.filter(robot=robot, name=DEVICE_KEY_NAME, is_active=True):
                api_key_revoke(old)
            _, key = api_key_create(
                organization_id=organization_id,
                user=system,
                name=DEVICE_KEY_NAME,
                permissions=DEVICE_SCOPES,
                robot=robot,
            )
            self._credentials.set_device_key(robot.serial_number, key)

    def _load_organization(self, plan: OrganizationPlan, organization_id: UUID) -> None:
        for facility in plan.facilities:
            created = facility_create(
                organization_id=organization_id,
                name=facility.name,
                timezone=facility.timezone,
                floor_plan={"width_m": facility.width_m, "height_m": facility.height_m},
            )
            floor_plan_load(created, facility, plan.robots)
        robots = {
            robot.serial_number: robot_register(
                organization_id=organization_id,
                name=robot.name,
                vendor=robot.vendor,
                model=robot.model,
                serial_number=robot.serial_number,
                firmware_version=robot.firmware_version,
                configuration=robot.configuration,
                location=robot.location,
                connection_config=robot.connection(number),
                created_at=self._start,
            )
            for number, robot in enumerate(plan.robots, 11)
        }
        if not robots:
            return
        self._on_progress(f"{plan.name}: {len(robots)} robots.")
        self._load_past(plan, robots)
        users = User.objects.filter(organization_id=organization_id, is_active=True)
        self._load_events(
            DemoContext(
                organization_id=organization_id,
                robots=robots,
                users={user.role: user for user in users},
                now=self._now,
            )
        )

    def _load_past(self, plan: OrganizationPlan, robots: dict[str, Robot]) -> None:
        zones = {facility.name: facility.timezone for facility in plan.facilities}
        weeks = {
            robot.serial_number: status_week(
                robot, start=self._start, end=self._end, timezone=zones[robot.facility]
            )
            for robot in plan.robots
        }
        with audit_action("demo.load"):
            changes = _load_history(
                [(robots[serial].pk, spans) for serial, spans in weeks.items()], self._end
            )
            points = _load_telemetry(
                row
                for robot in plan.robots
                for row in telemetry_rows(
                    UUID(str(robots[robot.serial_number].pk)),
                    robot,
                    weeks[robot.serial_number],
                    end=self._end,
                )
            )
            pending_work_enqueue_stored(
                [robot.pk for robot in robots.values()],
                start=min(spans[0].start for spans in weeks.values()),
                end=self._end + timedelta(minutes=5),
            )
            Robot.objects.filter(pk__in=[robot.pk for robot in robots.values()]).update(
                last_seen=self._end
            )
        self._on_progress(f"{plan.name}: {changes:,} status changes, {points:,} telemetry points.")

    def _load_events(self, context: DemoContext) -> None:
        tasks = past_tasks(context)
        alerts, commands = past_alerts(context), past_commands(context)
        with audit_action("demo.load"):
            MaintenanceTask.objects.bulk_create(tasks)
            LabourEntry.objects.bulk_create(past_labour(tasks))
            TaskEvent.objects.bulk_create(past_timelines(tasks))
            Alert.objects.bulk_create(alerts)
            RobotCommand.objects.bulk_create(commands)
        built_in_rules_add(organization_id=context.organization_id)
        planned = planned_tasks(context)
        for fields in planned:
            task_create(
                organization_id=context.organization_id, created_by=context.author, **fields
            )
        for fields in schedules(context):
            schedule_create(
                organization_id=context.organization_id, created_by=context.author, **fields
            )
        parts, requests = parts_load(context), requests_load(context)
        self._on_progress(
            f"{len(tasks) + len(planned)} maintenance tasks, {parts} parts, {requests} work"
            f" requests, {len(alerts)} alerts, {len(commands)} commands."
        )


def _create_user(organization_id: UUID, email: str, user_plan: UserPlan, password: str) -> None:
    user_create(
        organization_id=organization_id,
        email=email,
        role=user_plan.role,
        password=password,
        first_name=user_plan.first_name,
        last_name=user_plan.last_name,
        permissions=list(user_plan.permissions),
    )


def _load_history(weeks: list[tuple[UUID, list[StatusSpan]]], end: datetime) -> int:
    """Replace the status row written by registration with the past.

    Returns:
        The number of rows.
    """
    rows = [row for robot_id, spans in weeks for row in _history_rows(robot_id, spans, end)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT forget_first_status(%s)", [[robot_id for robot_id, _ in weeks]])
    _copy(_HISTORY, _HISTORY_TYPES, rows)
    return len(rows)


def _history_rows(
    robot_id: UUID, spans: list[StatusSpan], end: datetime
) -> Iterable[tuple[object, ...]]:
    """Yield the status history of a robot, which begins and ends offline."""
    yield spans[0].start - timedelta(seconds=30), robot_id, "offline", None, None, None
    previous = "offline"
    for span in spans:
        yield span.start, robot_id, span.status, previous, span.reason, _robot_time(span)
        previous = span.status
    yield end + timedelta(seconds=30), robot_id, "offline", previous, _SILENT_REASON, None


def _robot_time(span: StatusSpan) -> Jsonb | None:
    if span.status == "offline":
        return None
    return Jsonb({"robot_time": span.start.isoformat()})


def _load_telemetry(rows: Iterable[Row]) -> int:
    return _copy(_TELEMETRY, _TELEMETRY_TYPES, rows)


def _copy(statement: str, types: list[str], rows: Iterable[tuple[object, ...]]) -> int:
    count = 0
    with connection.cursor() as cursor:
        # The loader has created the robots of these rows itself.
        cursor.execute(
            "SELECT set_config('app.robots_verified', current_setting('app.organization_id'), true)"
        )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"{statement} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
            count += 1
    return count
