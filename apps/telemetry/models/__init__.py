"""Telemetry points, their latest values, batches that wait for processing, and imports."""

from __future__ import annotations

from apps.telemetry.models.imports import TelemetryImport, TelemetryImportPart
from apps.telemetry.models.pending_work import TelemetryBatch
from apps.telemetry.models.telemetry import RobotTelemetry, TelemetryLatest

__all__ = [
    "RobotTelemetry",
    "TelemetryBatch",
    "TelemetryImport",
    "TelemetryImportPart",
    "TelemetryLatest",
]
