"""Telemetry points, their latest values, and the batches that wait for processing."""

from __future__ import annotations

from apps.telemetry.models.pending_work import TelemetryBatch
from apps.telemetry.models.telemetry import RobotTelemetry, TelemetryLatest

__all__ = ["RobotTelemetry", "TelemetryBatch", "TelemetryLatest"]
