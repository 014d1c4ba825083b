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
from apps.organizations.models import Organization
from apps.organizations.selectors import organization_ids
from apps.robots.choices import Vendor
from apps.robots.models import Robot
from apps.robots.services.robots import robot_register
from examples.robotclient.client import Refused, RobotClient, Unavailable, rfc3339
from examples.robotclient.recording import (
    Extent,
    RecordingError,
    measure_recording,
    read_recording,
    time_shift,
)
from examples.robotclient.replay import Replay, ReplayResult
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.demo.organization import DEMO_ORGANIZATION

DEFAULT_SERIAL_NUMBER = "UR3-RECORDING-1"
KEY_NAME = "Replay of a recording"
# Longer than any recording of a shift or two takes at its own speed.
KEY_LASTS = timedelta(days=7)
# The licence of this recording asks for its source wherever it is shown.
_COBOTOPS = "ur3_cobotops"
_COBOTOPS_SOURCE = (
    "UR3 CobotOps, Tyrovolas et al. 2024, UCI Machine Learning Repository,"
    " doi 10.24432/C5J891, CC BY 4.0"
)


class Command(BaseCommand):
    """Stream a recording through the public API as one UR3 of the demo organization.

    The robot is added where it is not there. Its key is made for this run and ends with it. A
    second replay with the same start stores nothing.
    """

    help = "Play a recording of a UR3 arm (.csv or .csv.gz) back through the public API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the recording, .csv or .csv.gz")
        parser.add_argument(
            "--robot",
            default=DEFAULT_SERIAL_NUMBER,
            metavar="SERIAL",
            help=f"serial number of the robot that is played ({DEFAULT_SERIAL_NUMBER})",
        )
        parser.add_argument(
            "--start",
            type=_moment,
            metavar="TIME",
            help="the first sample falls on this time (RFC 3339); without it the first falls on"
            " now at speed 1, the last on now at any other",
        )
        parser.add_argument(
            "--speed",
            type=_speed,
            default=1.0,
            metavar="N",
            help="times as fast as it was recorded; 0 is as fast as it goes",
        )
        parser.add_argument("--url", help=f"where the platform is ({settings.WEB_ORIGIN})")

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
            extent = measure_recording(path)
            shift = time_shift(extent, start=start, speed=speed, now=timezone.now())
        except RecordingError as error:
            raise CommandError(str(error)) from error
        self._announce(path, extent, shift)
        with _ended_by_signals() as ended, _device_key(robot, path) as key:
            try:
                client = RobotClient(url or settings.WEB_ORIGIN, key)
                replay = Replay(
                    client, robot, shift=shift, speed=speed, wait=ended.wait, notice=self._say
                )
                with closing(client):
                    result = replay.run(read_recording(path), self._progress(extent))
            except (ValueError, Refused, Unavailable, RecordingError) as error:
                msg = f"The replay ended: {error}"
                raise CommandError(msg) from error
        self._conclude(result, extent, shift)

    def _announce(self, path: Path, extent: Extent, shift: timedelta) -> None:
        self._say(
            f"{extent.samples:,} samples, {extent.points:,} points,"
            f" from {rfc3339(extent.first + shift)} to {rfc3339(extent.last + shift)}."
        )
        if path.name.startswith(_COBOTOPS):
            self._say(f"Source: {_COBOTOPS_SOURCE}.")
        if extent.repeated:
            self._say(
                f"{extent.repeated:,} samples have the time of an earlier one: the server keeps"
                " one value for a metric and a time and rejects the others."
            )

    def _progress(self, extent: Extent) -> Any:
        tenths = 0

        def progress(sent: int) -> None:
            nonlocal tenths
            if (reached := sent * 10 // max(extent.points, 1)) > tenths:
                tenths = reached
                self._say(f"{sent:,} of {extent.points:,} points sent.")

        return progress

    def _conclude(self, result: ReplayResult, extent: Extent, shift: timedelta) -> None:
        receipt = result.receipt
        self._say(
            f"{receipt.accepted:,} stored, {receipt.duplicate:,} duplicate,"
            f" {len(receipt.rejected):,} rejected; {result.status_changes:,} status changes."
        )
        for fault in [item["detail"] for item in receipt.rejected][:3] + receipt.refused_status[:3]:
            self._say(f"Not taken: {fault}")
        if result.interrupted:
            self._say("The replay was interrupted before its end.")
        if not receipt.accepted and receipt.duplicate:
            self._say("Nothing was stored: all of it was there already.")
        self._say(f"The same replay again: --start {rfc3339(extent.first + shift)}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _moment(text: str) -> datetime:
    """Read an RFC 3339 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is not a time such as 2026-01-31T08:00:00Z."
        raise ArgumentTypeError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        msg = f"{text!r} is not a number from 0 up."
        raise ArgumentTypeError(msg)
    return speed


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event, so that the key is ended and the counts are told."""
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ended  # signals belong to the main thread
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _device_key(serial_number: str, path: Path) -> Iterator[str]:
    """Make a key of the robot, add the robot where it is missing, and end the key afterwards."""
    organization_id = _demo_organization()
    try:
        with tenant_transaction(organization_id):
            robot = Robot.objects.filter(
                organization_id=organization_id, serial_number=serial_number
            ).first() or _register(organization_id, serial_number, path)
            if not robot.is_active:
                msg = f"The robot {serial_number} is retired; return it to service first."
                raise CommandError(msg)
            row, key = api_key_create(
                organization_id=organization_id,
                user=system_user_get(organization_id=organization_id),
                name=KEY_NAME,
                permissions=["robots:read", "telemetry:write"],
                robot=robot,
                expires_at=timezone.now() + KEY_LASTS,
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
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            if Organization.objects.filter(pk=organization_id, slug=DEMO_ORGANIZATION).exists():
                return organization_id
    msg = "The demo organization is not there; run load_demo_fleet first."
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
