"""Store and read uploaded recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from django.conf import settings

from apps.telemetry.exceptions import InvalidRecordingError
from apps.telemetry.models import TelemetryImport, TelemetryImportPart
from apps.telemetry.protocols.recordings.detection import (
    SAMPLE_BYTES,
    RecordingSample,
    sample_recording,
)
from urfmp.common.tenancy.context import tenant_transaction

_PART_BYTES = 512 * 1024


def file_store(telemetry_import: TelemetryImport, parts: Iterable[bytes]) -> int:
    """Store the file of an import; return its size in bytes.

    Raises:
        InvalidRecordingError: The file is too large, or not CSV with a header.
    """
    size, first = 0, b""
    for number, part in enumerate(_split_parts(parts)):
        size += len(part)
        if size > settings.MAX_UPLOAD_BYTES:
            raise InvalidRecordingError(too_large_message())
        if len(first) < SAMPLE_BYTES:
            first += part
        TelemetryImportPart.objects.create(
            organization_id=telemetry_import.organization_id,
            telemetry_import=telemetry_import,
            number=number,
            data=part,
        )
    sample_recording(first[:SAMPLE_BYTES], timezone="UTC")
    return size


def file_delete(import_id: UUID) -> None:
    """Delete the file of an import."""
    TelemetryImportPart.objects.filter(telemetry_import_id=import_id).delete()


def too_large_message() -> str:
    """Return what to do with a file that is too large."""
    megabytes = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
    return (
        f"The file is larger than {megabytes} MB. Compress it with gzip, split it, or import it on"
        " the server with the command import_recording."
    )


def _split_parts(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes in parts of `_PART_BYTES`."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= _PART_BYTES:
            yield bytes(waiting[:_PART_BYTES])
            del waiting[:_PART_BYTES]
    if waiting:
        yield bytes(waiting)


def import_sample(
    telemetry_import: TelemetryImport, *, timezone: str, delimiter: str = ""
) -> RecordingSample:
    """Return the beginning of the uploaded file, and its proposed format.

    Args:
        telemetry_import: An import that is not started yet.
        timezone: IANA name, for dates and times without an offset.
        delimiter: Character between cells; detected if empty.

    Raises:
        InvalidRecordingError: The file is not CSV.
    """
    first = b""
    parts = TelemetryImportPart.objects.filter(telemetry_import=telemetry_import)
    for data in parts.order_by("number").values_list("data", flat=True).iterator():
        first += bytes(data)
        if len(first) >= SAMPLE_BYTES:
            break
    return sample_recording(first[:SAMPLE_BYTES], timezone=timezone, delimiter=delimiter)


class PartReader:
    """Read the parts of an uploaded file and count their bytes.

    Each part is read in a transaction of its own, so that none stays open while points are stored.
    """

    def __init__(self, organization_id: UUID, import_id: UUID) -> None:
        self._organization_id = organization_id
        self._import_id = import_id
        self.bytes_read = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts in order."""
        number = 0
        while True:
            with tenant_transaction(self._organization_id):
                data = (
                    TelemetryImportPart.objects.filter(
                        telemetry_import_id=self._import_id, number=number
                    )
                    .values_list("data", flat=True)
                    .first()
                )
            if data is None:
                return
            yield bytes(data)
            self.bytes_read += len(data)
            number += 1
