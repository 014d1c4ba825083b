"""Periodic work on telemetry."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError
from procrastinate.contrib.django import app

from apps.organizations.selectors import organization_ids
from apps.telemetry.services.chunks import chunk_length_adapt, chunks_make_ahead, compression_apply
from apps.telemetry.services.pending_work import batch_organizations, batches_clean_up
from apps.telemetry.services.retention import retention_apply, retention_forget
from apps.telemetry.services.rollups import roll_up

logger = logging.getLogger(__name__)

# A run ends in time for the next one, which goes on where it stopped.
_RUN_SECONDS = 12.0


@app.periodic(cron="17 * * * *")
@app.task(name="telemetry.apply_retention", queueing_lock="telemetry.apply_retention")
def apply_retention(timestamp: int) -> None:
    """Every hour: drop the chunks of telemetry and status history that nobody keeps."""
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


@app.periodic(cron="37 */6 * * *")
@app.task(name="telemetry.forget", queueing_lock="telemetry.forget")
def forget(timestamp: int) -> None:
    """Every six hours: delete what organizations keep for a shorter time than the platform."""
    for organization_id in organization_ids():
        for kind, count in retention_forget(organization_id).items():
            if count:
                logger.info("Retention deleted %s rows of %s of %s.", count, kind, organization_id)


@app.periodic(cron="*/10 * * * *")
@app.task(name="telemetry.make_chunks", queueing_lock="telemetry.make_chunks")
def make_chunks(timestamp: int) -> None:
    """Every ten minutes: make the chunks that will be needed during the next day or longer."""
    chunks_make_ahead()


@app.periodic(cron="7 2 * * *")
@app.task(name="telemetry.tune_chunks", queueing_lock="telemetry.tune_chunks")
def tune_chunks(timestamp: int) -> None:
    """Every night: fit the length of chunks to the rate of points, and have old ones compressed."""
    compression_apply()
    if (measure := chunk_length_adapt()) is not None:
        logger.info("Telemetry's chunks get another length, by %s.", measure)
