from __future__ import annotations

import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.services.api_keys import api_key_create, api_key_revoke
from apps.accounts.services.users import system_user_get
from apps.organizations.selectors import organization_by_slug
from apps.robots.choices import Vendor
from apps.robots.models import Robot
from apps.robots.services.robots import robot_register
from examples.robotclient.client import RequestRejected, RobotClient, ServerUnavailable, rfc3339
from examples.robotclient.recording import (
    RecordingError,
    RecordingSummary,
    read_recording,
    summarize_recording,
    time_shift,
)
from examples.robotclient.replay import Replay, ReplayResult
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.demo.organization import DEMO_ORGANIZATION

DEFAULT_SERIAL_NUMBER = "UR3-RECORDING-1"
KEY_NAME = "Replay of a recording"
# Longer than the replay of any recording of one or two shifts.
KEY_LIFETIME = timedelta(days=7)
# The licence of this recording requires its source to be shown.
_COBOTOPS = "ur3_cobotops"
_COBOTOPS_SOURCE = (
    "UR3 CobotOps, Tyrovolas et al. 2024, UCI Machine Learning Repository,"
    " doi 10.24432/C5J891, CC BY 4.0"
)


class Command(BaseCommand):
    """Replay a recording through the public API as one UR3.

    The robot belongs to the demo organization and is registered if missing. Its API key is created
    for this run and revoked afterwards. A second replay with the same start stores nothing.
    """

    help = "Replay a recording of a UR3 arm (.csv or .csv.gz) through the public API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="recording, .csv or .csv.gz")
        parser.add_argument(
            "--robot",
            default=DEFAULT_SERIAL_NUMBER,
            metavar="SERIAL",
            help=f"serial number of the replayed robot ({DEFAULT_SERIAL_NUMBER})",
        )
        parser.add_argument(
            "--start",
            type=_aware_datetime,
            metavar="TIME",
            help="time of the first sample (RFC 3339); by default the first sample falls on"
            " now at speed 1, and the last sample on now at any other speed",
        )
        parser.add_argument(
            "--speed",
            type=_speed,
            default=1.0,
            metavar="N",
            help="speed relative to the recording; 0 means as fast as possible",
        )
        parser.add_argument("--url", help=f"URL of the platform ({settings.WEB_ORIGIN})")

    def handle(
        self,
        *,
        path: Path,
        robot: str,
        start: datetime | None,
        speed: float,
        url: str | None,
        **options: Any,
    ) -> None:
        try:
            summary = summarize_recording(path)
            shift = time_shift(summary, start=start, speed=speed, now=timezone.now())
        except RecordingError as error:
            raise CommandError(str(error)) from error
        self._report_summary(path, summary, shift)
        with _stop_on_signals() as stop_requested, _temporary_device_key(robot, path) as key:
            try:
                client = RobotClient(url or settings.WEB_ORIGIN, key)
                replay = Replay(
                    client,
                    robot,
                    shift=shift,
                    speed=speed,
                    wait=stop_requested.wait,
                    notice=self._write,
                )
                with closing(client):
                    result = replay.run(read_recording(path), self._progress(summary))
            except (ValueError, RequestRejected, ServerUnavailable, RecordingError) as error:
                msg = f"The replay failed: {error}"
                raise CommandError(msg) from error
        self._report_result(result, summary, shift)

    def _report_summary(self, path: Path, summary: RecordingSummary, shift: timedelta) -> None:
        self._write(
            f"{summary.samples:,} samples, {summary.points:,} points,"
            f" from {rfc3339(summary.first + shift)} to {rfc3339(summary.last + shift)}."
        )
        if path.name.startswith(_COBOTOPS):
            self._write(f"Source: {_COBOTOPS_SOURCE}.")
        if summary.repeated:
            self._write(
                f"{summary.repeated:,} samples have the time of an earlier sample. The server keeps"
                " one value for a metric and a time and rejects the others."
            )

    def _progress(self, summary: RecordingSummary) -> Any:
        tenths = 0

        def progress(sent: int) -> None:
            nonlocal tenths
            if (reached := sent * 10 // max(summary.points, 1)) > tenths:
                tenths = reached
                self._write(f"{sent:,} of {summary.points:,} points sent.")

        return progress

    def _report_result(
        self, result: ReplayResult, summary: RecordingSummary, shift: timedelta
    ) -> None:
        receipt = result.receipt
        self._write(
            f"{receipt.accepted:,} stored, {receipt.duplicate:,} duplicate,"
            f" {len(receipt.rejected):,} rejected; {result.status_changes:,} status changes."
        )
        for problem in [item["detail"] for item in receipt.rejected][
            :3
        ] + receipt.rejected_statuses[:3]:
            self._write(f"Rejected: {problem}")
        if result.interrupted:
            self._write("The replay was interrupted previous its end.")
        if not receipt.accepted and receipt.duplicate:
            self._write("Nothing was stored: all points were already stored.")
        self._write(f"To repeat this replay: --start {rfc3339(summary.first + shift)}")

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _aware_datetime(text: str) -> datetime:
    """Parse an RFC 3339 time; without an offset it is UTC."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is not a time such as 2026-01-31T08:00:00Z."
        raise ArgumentTypeError(msg) from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        msg = f"{text!r} is not a number of 0 or more."
        raise ArgumentTypeError(msg)
    return speed


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event.

    The command then still revokes the API key and reports its counts.
    """
    stop_requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop_requested  # only the main thread handles signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {
        number: signal.signal(number, lambda *_: stop_requested.set()) for number in numbers
    }
    try:
        yield stop_requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _temporary_device_key(serial_number: str, path: Path) -> Iterator[str]:
    """Create the robot's API key for a block, then revoke it.

    The robot is registered if missing.
    """
    organization_id = _demo_organization()
    try:
        with tenant_transaction(organization_id):
            robot = Robot.objects.filter(
                organization_id=organization_id, serial_number=serial_number
            ).first() or _register(organization_id, serial_number, path)
            if not robot.is_active:
                msg = f"The robot {serial_number} is retired. Return it to service first."
                raise CommandError(msg)
            row, key = api_key_create(
                organization_id=organization_id,
                user=system_user_get(organization_id=organization_id),
                name=KEY_NAME,
                permissions=["robots:read", "telemetry:write"],
                robot=robot,
                expires_at=timezone.now() + KEY_LIFETIME,
            )
    except ValidationError as error:
        msg = f"The robot {serial_number} cannot be added: {'; '.join(error.messages)}"
        raise CommandError(msg) from error
    try:
        yield key
    finally:
        with tenant_transaction(organization_id):
            api_key_revoke(ApiKey.objects.get(pk=row.pk))


def _demo_organization() -> UUID:
    if organization_id := organization_by_slug(DEMO_ORGANIZATION):
        return organization_id
    msg = "The demo organization does not exist. Run load_demo_fleet first."
    raise CommandError(msg)


def _register(organization_id: UUID, serial_number: str, path: Path) -> Robot:
    source = _COBOTOPS_SOURCE if path.name.startswith(_COBOTOPS) else path.name
    return robot_register(
        organization_id=organization_id,
        name=f"UR3 recording {serial_number}",
        vendor=Vendor.UNIVERSAL_ROBOTS,
        model="UR3",
        serial_number=serial_number,
        configuration={
            "axes": 6,
            "payload": 3,
            "reach": 500,
            "capabilities": ["assembly"],
            "customSettings": {"source": source},
        },
    )
