"""Telemetry pages: charts, export and imports."""
