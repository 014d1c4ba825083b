"""Load the demo fleet: each organization in one transaction, its secrets written just before.

An interruption leaves an organization out or in, never in part. What is in the file and not in
the database, or the other way round, is made to fit by the next run.
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
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services import task_create
from apps.organizations.models import Organization
from apps.organizations.selectors import organization_ids
from apps.organizations.services.facilities import facility_create
from apps.organizations.services.organizations import organization_create
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.robots import robot_register
from apps.telemetry.services.pending_work import batches_add_stored
from urfmp.common.tenancy.context import act, tenant_transaction
from urfmp.demo.credentials import CredentialsFile, readable_password
from urfmp.demo.events import (
    Scene,
    alerts_past,
    commands_past,
    maintenance_past,
    maintenance_planned,
)
from urfmp.demo.fleet import ORGANIZATIONS, SIGN_IN, OrganizationPlan, PersonPlan
from urfmp.demo.points import Row, telemetry_rows
from urfmp.demo.timeline import Span, week_of

DEVICE_KEY_NAME = "Device key"
DEVICE_SCOPES = ["robots:read", "telemetry:read", "telemetry:write"]
# The past ends here, so that its last status, offline, is true until the robots speak.
_SILENT_FOR = timedelta(seconds=60)
_SILENT_REASON = "Not heard of for 30 seconds."
_LOCK = 7_236_001  # any number that nobody else takes

_TELEMETRY = "COPY robot_telemetry (robot_id, metric_name, time, value, unit, metadata)"
_TELEMETRY_TYPES = ["uuid", "varchar", "timestamptz", "float8", "varchar", "jsonb"]
_HISTORY = "COPY robot_status_history (time, robot_id, status, previous_status, reason, metadata)"
_HISTORY_TYPES = ["timestamptz", "uuid", "varchar", "varchar", "text", "jsonb"]

Say = Callable[[str], None]


class DemoLoader:
    """One run of the loader."""

    def __init__(self, credentials: CredentialsFile, *, now: datetime, days: int, say: Say) -> None:
        """Prepare.

        Args:
            credentials: Where passwords and keys are kept.
            now: Where the past ends; aware.
            days: How long the past is.
            say: Takes one line of progress.
        """
        self._credentials = credentials
        self._end = now - _SILENT_FOR
        self._start = now - timedelta(days=days)
        self._now = now
        self._say = say

    def load(self) -> None:
        """Load what is not there, and make passwords and keys true.

        Each organization is committed on its own, in a transaction that waits for another run.
        """
        renewing = self._credentials.was_lost
        for plan in ORGANIZATIONS:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                organization_id = organization_by_slug(plan.slug)
                is_new = organization_id is None
                if organization_id is None:
                    organization_id = self._create(plan)
                with tenant_transaction(organization_id):
                    self._people(plan, organization_id)
                    if is_new:
                        self._fill(plan, organization_id)
                    self._device_keys(plan, organization_id)
                self._credentials.save()
            if is_new:
                self._say(f"{plan.name}: loaded.")
            elif renewing:
                self._say(f"{plan.name}: is there; passwords and device keys were renewed.")
            else:
                self._say(f"{plan.name}: is there.")

    def _create(self, plan: OrganizationPlan) -> UUID:
        organization = organization_create(
            name=plan.name,
            slug=plan.slug,
            plan=plan.plan,
            settings={"timezone": plan.timezone},
        )
        return UUID(str(organization.pk))

    def _people(self, plan: OrganizationPlan, organization_id: UUID) -> None:
        for person in plan.people:
            email = plan.email(person)
            password = self._credentials.password(email)
            user = User.objects.filter(organization_id=organization_id, email=email).first()
            if user is None:
                password = password or readable_password()
                _add_person(organization_id, email, person, password)
            elif password is None or not user.check_password(password):
                password = password or readable_password()
                user_update(user, password=password)
                if not self._credentials.was_lost:
                    self._say(f"{email}: the password was set to the file's.")
            self._credentials.set_user(
                email=email, password=password, role=person.role, organization=plan.slug
            )
        if plan is SIGN_IN[0]:
            self._credentials.set_sign_in(email=plan.email(SIGN_IN[1]), organization=plan.slug)

    def _device_keys(self, plan: OrganizationPlan, organization_id: UUID) -> None:
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

    def _fill(self, plan: OrganizationPlan, organization_id: UUID) -> None:
        for facility in plan.facilities:
            facility_create(
                organization_id=organization_id,
                name=facility.name,
                timezone=facility.timezone,
                floor_plan={"width_m": facility.width_m, "height_m": facility.height_m},
            )
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
                created_at=self._start,
            )
            for robot in plan.robots
        }
        if not robots:
            return
        self._say(f"{plan.name}: {len(robots)} robots.")
        self._load_past(plan, robots)
        people = User.objects.filter(organization_id=organization_id, is_active=True)
        self._load_events(
            Scene(
                organization_id=organization_id,
                robots=robots,
                people={user.role: user for user in people},
                now=self._now,
            )
        )

    def _load_past(self, plan: OrganizationPlan, robots: dict[str, Robot]) -> None:
        zones = {facility.name: facility.timezone for facility in plan.facilities}
        weeks = {
            robot.serial_number: week_of(
                robot, start=self._start, end=self._end, timezone=zones[robot.facility]
            )
            for robot in plan.robots
        }
        with act("demo.load"):
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
            batches_add_stored(
                [robot.pk for robot in robots.values()],
                start=min(spans[0].start for spans in weeks.values()),
                end=self._end + timedelta(minutes=5),
            )
            Robot.objects.filter(pk__in=[robot.pk for robot in robots.values()]).update(
                last_seen=self._end
            )
        self._say(f"{plan.name}: {changes:,} status changes, {points:,} points of telemetry.")

    def _load_events(self, scene: Scene) -> None:
        tasks = maintenance_past(scene)
        alerts, commands = alerts_past(scene), commands_past(scene)
        with act("demo.load"):
            MaintenanceTask.objects.bulk_create(tasks)
            Alert.objects.bulk_create(alerts)
            RobotCommand.objects.bulk_create(commands)
        planned = maintenance_planned(scene)
        for fields in planned:
            task_create(organization_id=scene.organization_id, created_by=scene.author, **fields)
        self._say(
            f"{len(tasks) + len(planned)} maintenance tasks, {len(alerts)} alerts,"
            f" {len(commands)} commands."
        )


def organization_by_slug(slug: str) -> UUID | None:
    """Return the id of the organization with this slug, looking into one after the other."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            if Organization.objects.filter(pk=organization_id, slug=slug).exists():
                return organization_id
    return None


def _add_person(organization_id: UUID, email: str, person: PersonPlan, password: str) -> None:
    user_create(
        organization_id=organization_id,
        email=email,
        role=person.role,
        password=password,
        first_name=person.first_name,
        last_name=person.last_name,
        permissions=list(person.permissions),
    )


def _load_history(weeks: list[tuple[UUID, list[Span]]], end: datetime) -> int:
    """Put the past in the place of the row that registration wrote; return how many rows."""
    rows = [row for robot_id, spans in weeks for row in _history_rows(robot_id, spans, end)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT forget_first_status(%s)", [[robot_id for robot_id, _ in weeks]])
    _copy(_HISTORY, _HISTORY_TYPES, rows)
    return len(rows)


def _history_rows(robot_id: UUID, spans: list[Span], end: datetime) -> Iterable[tuple[object, ...]]:
    """Yield the rows of a robot, which begins and ends offline."""
    yield spans[0].start - timedelta(seconds=30), robot_id, "offline", None, None, None
    before = "offline"
    for span in spans:
        yield span.start, robot_id, span.status, before, span.reason, _robot_time(span)
        before = span.status
    yield end + timedelta(seconds=30), robot_id, "offline", before, _SILENT_REASON, None


def _robot_time(span: Span) -> Jsonb | None:
    if span.status == "offline":
        return None
    return Jsonb({"robot_time": span.start.isoformat()})


def _load_telemetry(rows: Iterable[Row]) -> int:
    return _copy(_TELEMETRY, _TELEMETRY_TYPES, rows)


def _copy(statement: str, types: list[str], rows: Iterable[tuple[object, ...]]) -> int:
    count = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(f"{statement} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
            count += 1
    return count
