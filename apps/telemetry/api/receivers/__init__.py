"""Receivers of metrics that other products send: Prometheus and OpenTelemetry."""
