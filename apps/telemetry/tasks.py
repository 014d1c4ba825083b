"""Periodic work on telemetry."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError
from procrastinate.contrib.django import app

from apps.telemetry.batches import batch_organizations, batches_clean_up
from apps.telemetry.retention import retention_apply
from apps.telemetry.rollups import roll_up

logger = logging.getLogger(__name__)

# A run ends in time for the next one, which goes on where it stopped.
_RUN_SECONDS = 12.0


@app.periodic(cron="17 * * * *")
@app.task(name="telemetry.apply_retention", queueing_lock="telemetry.apply_retention")
def apply_retention(timestamp: int) -> None:
    """Every hour: keep telemetry for a year and status history for two."""
    for result in retention_apply():
        if result.dropped:
            logger.info("Retention dropped %s chunks of %s.", result.dropped, result.hypertable)


@app.periodic(cron="* * * * * */15")
@app.task(name="telemetry.roll_up", queueing_lock="telemetry.roll_up")
def roll_up_batches(timestamp: int) -> None:
    """Every 15 seconds: roll up what has been stored, each organization a little in turn."""
    until = time.monotonic() + _RUN_SECONDS
    waiting = batch_organizations()
    while waiting and time.monotonic() < until:
        for organization_id in [*waiting]:
            try:
                done = roll_up(organization_id)
            except DatabaseError:
                logger.exception("Telemetry of %s could not be rolled up.", organization_id)
                done = 0
            if not done:
                waiting.remove(organization_id)
    batches_clean_up()
