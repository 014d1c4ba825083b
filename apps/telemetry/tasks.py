"""Jobs of telemetry."""

from __future__ import annotations

import logging
import time
from uuid import UUID

from django.db import DatabaseError
from procrastinate.contrib.django import app

from apps.telemetry.services.chunks import chunk_length_adapt, chunks_make_ahead, compression_apply
from apps.telemetry.services.imports import import_run, imports_clean_up, imports_resume
from apps.telemetry.services.pending_work import (
    organizations_with_pending_work,
    pending_work_clean_up,
)
from apps.telemetry.services.retention import purge_expired, retention_apply
from apps.telemetry.services.rollups import roll_up
from urfmp.common.tenancy.organizations import organization_ids

logger = logging.getLogger(__name__)

# A run ends before the next one starts, which continues where it stopped.
_MAX_RUN_SECONDS = 12.0
# An import gives way to other jobs after this long, and continues in a new job.
_MAX_IMPORT_RUN_SECONDS = 15.0


@app.periodic(cron="17 * * * *")
@app.task(name="telemetry.apply_retention", queueing_lock="telemetry.apply_retention")
def apply_retention(timestamp: int) -> None:
    """Drop the expired chunks of telemetry and status history, every hour."""
    for result in retention_apply():
        if result.dropped:
            logger.info("Retention dropped %s chunks of %s.", result.dropped, result.hypertable)


@app.periodic(cron="* * * * * */15")
@app.task(name="telemetry.roll_up", queueing_lock="telemetry.roll_up")
def roll_up_batches(timestamp: int) -> None:
    """Roll up new points every 15 seconds, organization by organization in turns."""
    deadline = time.monotonic() + _MAX_RUN_SECONDS
    waiting = organizations_with_pending_work()
    while waiting and time.monotonic() < deadline:
        for organization_id in [*waiting]:
            try:
                done = roll_up(organization_id)
            except DatabaseError:
                logger.exception(
                    "Telemetry of organization %s could not be rolled up.", organization_id
                )
                done = 0
            if not done:
                waiting.remove(organization_id)
    pending_work_clean_up()


@app.periodic(cron="37 */6 * * *")
@app.task(name="telemetry.purge_expired", queueing_lock="telemetry.purge_expired")
def purge_expired_telemetry(timestamp: int) -> None:
    """Delete rows beyond the retention of their organization, every six hours."""
    for organization_id in organization_ids():
        for kind, count in purge_expired(organization_id).items():
            if count:
                logger.info(
                    "Retention deleted %s rows of %s of organization %s.",
                    count,
                    kind,
                    organization_id,
                )


@app.periodic(cron="*/10 * * * *")
@app.task(name="telemetry.make_chunks", queueing_lock="telemetry.make_chunks")
def make_chunks(timestamp: int) -> None:
    """Create the chunks for at least the next day, every ten minutes."""
    chunks_make_ahead()


@app.periodic(cron="7 2 * * *")
@app.task(name="telemetry.tune_chunks", queueing_lock="telemetry.tune_chunks")
def tune_chunks(timestamp: int) -> None:
    """Adapt the chunk length and compress old chunks, every night."""
    compression_apply()
    if (measure := chunk_length_adapt()) is not None:
        logger.info("The chunk length of telemetry was changed: %s.", measure)


@app.task(name="telemetry.run_import")
def run_import(organization_id: str, import_id: str) -> None:
    """Import rows of a recording; enqueue itself again while rows are left."""
    has_rows = import_run(
        organization_id=UUID(organization_id),
        import_id=UUID(import_id),
        max_seconds=_MAX_IMPORT_RUN_SECONDS,
    )
    if has_rows:
        run_import.configure(schedule_in={"seconds": 1}).defer(
            organization_id=organization_id, import_id=import_id
        )


@app.periodic(cron="* * * * *")
@app.task(name="telemetry.resume_imports", queueing_lock="telemetry.resume_imports")
def resume_imports(timestamp: int) -> None:
    """Continue imports whose worker died, every minute."""
    for organization_id in organization_ids():
        imports_resume(organization_id)


@app.periodic(cron="23 3 * * *")
@app.task(name="telemetry.clean_up_imports", queueing_lock="telemetry.clean_up_imports")
def clean_up_imports(timestamp: int) -> None:
    """Delete abandoned and old imports, every night."""
    for organization_id in organization_ids():
        imports_clean_up(organization_id)
