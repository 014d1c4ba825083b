"""Periodic work on telemetry."""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from apps.telemetry.retention import retention_apply

logger = logging.getLogger(__name__)


@app.periodic(cron="17 * * * *")
@app.task(name="telemetry.apply_retention", queueing_lock="telemetry.apply_retention")
def apply_retention(timestamp: int) -> None:
    """Every hour: keep telemetry for a year and status history for two."""
    for result in retention_apply():
        if result.dropped:
            logger.info("Retention dropped %s chunks of %s.", result.dropped, result.hypertable)
