from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.organizations.models import Organization
from apps.organizations.selectors import organization_by_slug
from apps.robots.models import Robot
from apps.telemetry.choices import RecordingTimeFormat
from apps.telemetry.exceptions import BusyError, InvalidRecordingError
from apps.telemetry.protocols.recordings.detection import (
    SAMPLE_BYTES,
    RecordingSample,
    sample_recording,
)
from apps.telemetry.protocols.recordings.formats import (
    DELIMITERS,
    ColumnFormat,
    RecordingFormat,
    format_errors,
)
from apps.telemetry.protocols.recordings.points import RecordingRow, read_recording
from apps.telemetry.services.recordings import StoredRows, rows_store, split_batches
from urfmp.common.tenancy.context import tenant_transaction

_READ_BYTES = 1024 * 1024
_MAX_SHOWN_ERRORS = 20


class Command(BaseCommand):
    """Import a recording of any size.

    Run it again to continue after an interruption: stored points count as duplicates.
    """

    help = "Import a CSV recording, also compressed with gzip, as telemetry of a robot."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV file with a header; also .gz")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--robot", required=True, metavar="SERIAL", help="serial number")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=METRIC[:UNIT]",
            help="metric of a column; repeat it. Without it, a metric is proposed for each column",
        )
        parser.add_argument("--time-column", metavar="NAME", help="detected by default")
        parser.add_argument(
            "--time-format", choices=RecordingTimeFormat.values, help="detected by default"
        )
        parser.add_argument(
            "--timezone",
            type=_timezone,
            help="of times without offset; default: the organization's",
        )
        parser.add_argument(
            "--start", type=_aware_datetime, metavar="TIME", help="move the first row to this time"
        )
        parser.add_argument("--delimiter", choices=DELIMITERS, help="detected by default")
        parser.add_argument("--decimal", choices=(".", ","), help="detected by default")
        parser.add_argument(
            "--dry-run", action="store_true", help="show the format and the first rows only"
        )

    def handle(self, *, file: Path, organization: str, robot: str, **options: Any) -> None:
        organization_id, zone = _find_organization(organization)
        robot_id = _find_robot(organization_id, robot)
        try:
            with file.open("rb") as content:
                first = content.read(SAMPLE_BYTES)
            sample = sample_recording(
                first,
                timezone=options["timezone"] or zone,
                delimiter=options["delimiter"] or "",
            )
            recording_format = _chosen_format(sample, options)
            self._show_format(sample, recording_format)
            if not options["dry_run"]:
                rows = read_recording(_read_parts(file), recording_format, robot_id)
                self._import(organization_id, rows)
        except InvalidRecordingError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            msg = f"{file} cannot be read: {error.strerror}."
            raise CommandError(msg) from error

    def _show_format(self, sample: RecordingSample, recording_format: RecordingFormat) -> None:
        time_column = sample.header[recording_format.time_column]
        self.stdout.write(
            f"Times: column {time_column}, {recording_format.time_format.label.lower()}."
        )
        for column in recording_format.columns:
            self.stdout.write(
                f"  {sample.header[column.index]} -> {column.metric_name} {column.unit}".rstrip()
            )

    def _import(self, organization_id: UUID, rows: Iterator[RecordingRow]) -> None:
        total, rejected = StoredRows(0), 0
        for batch in split_batches(rows):
            stored = _store_patiently(organization_id, batch)
            total.last_row = stored.last_row
            total.accepted += stored.accepted
            total.duplicate += stored.duplicate
            for error in stored.errors[: max(_MAX_SHOWN_ERRORS - rejected, 0)]:
                self.stderr.write(f"Row {error.row}, {error.column}: {error.detail}")
            rejected += len(stored.errors)
            self.stdout.write(f"Row {total.last_row:,}: {total.accepted:,} points stored.")
        self.stdout.write(
            f"{total.accepted:,} stored, {total.duplicate:,} already stored, {rejected:,} rejected."
        )


def _store_patiently(organization_id: UUID, batch: list[RecordingRow]) -> StoredRows:
    while True:
        try:
            return rows_store(organization_id=organization_id, rows=batch)
        except BusyError as error:
            time.sleep(error.retry_after or 1)


def _find_organization(slug: str) -> tuple[UUID, str]:
    """Return an organization's id and timezone."""
    organization_id = organization_by_slug(slug)
    if organization_id is None:
        msg = f"Organization {slug!r} was not found."
        raise CommandError(msg)
    with tenant_transaction(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        return organization_id, str(organization.effective_settings.timezone)


def _find_robot(organization_id: UUID, serial_number: str) -> UUID:
    with tenant_transaction(organization_id):
        robot: Robot | None = Robot.objects.filter(serial_number=serial_number).first()
    if robot is None:
        msg = f"The organization has no robot with the serial number {serial_number!r}."
        raise CommandError(msg)
    return robot.pk


def _chosen_format(sample: RecordingSample, options: dict[str, Any]) -> RecordingFormat:
    """Return the proposed format with the options applied."""
    proposed = sample.proposed
    changes: dict[str, Any] = {"starts_at": options["start"]}
    if options["decimal"]:
        changes["decimal"] = options["decimal"]
    if options["time_format"]:
        changes["time_format"] = RecordingTimeFormat(options["time_format"])
    if options["time_column"]:
        changes["time_column"] = _column_index(sample, options["time_column"])
    if options["map"]:
        changes["columns"] = tuple(_column_format(sample, text) for text in options["map"])
    recording_format = msgspec.structs.replace(proposed, **changes)
    if errors := format_errors(recording_format, len(sample.header)):
        raise CommandError("\n".join(errors))
    return recording_format


def _column_format(sample: RecordingSample, text: str) -> ColumnFormat:
    column, separator, target = text.rpartition("=")
    if not separator:
        msg = f"--map {text}: write it as COLUMN=METRIC or COLUMN=METRIC:UNIT."
        raise CommandError(msg)
    metric, _, unit = target.partition(":")
    return ColumnFormat(_column_index(sample, column), metric, unit)


def _column_index(sample: RecordingSample, name: str) -> int:
    if name in sample.header:
        return sample.header.index(name)
    msg = f"The file has no column {name!r}. Its columns are: {', '.join(sample.header)}."
    raise CommandError(msg)


def _read_parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while part := content.read(_READ_BYTES):
            yield part


def _timezone(text: str) -> str:
    if text not in available_timezones():
        msg = f"{text!r} is not a timezone such as Europe/Berlin."
        raise ArgumentTypeError(msg)
    return ZoneInfo(text).key


def _aware_datetime(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or value.tzinfo is None:
        msg = f"{text!r} is not a time with an offset, such as 2026-01-31T08:00:00Z."
        raise ArgumentTypeError(msg)
    return value
