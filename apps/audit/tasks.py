"""Periodic jobs on the audit log."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from procrastinate.contrib.django import app

from apps.audit.services.audit_logs import audit_clean_up
from apps.audit.services.checkpoints.writer import checkpoint_write
from apps.audit.services.spool import audit_spool_enter


@app.periodic(cron="*/15 * * * *")
@app.task(name="audit.checkpoint", queueing_lock="audit.checkpoint")
def checkpoint(timestamp: int) -> None:
    """Write a signed checkpoint every 15 minutes, even without changes."""
    if settings.AUDIT_CHECKPOINT_DIR:
        checkpoint_write(Path(settings.AUDIT_CHECKPOINT_DIR))


@app.periodic(cron="41 3 * * *")
@app.task(name="audit.clean_up", queueing_lock="audit.clean_up")
def clean_up(timestamp: int) -> None:
    """Delete audit rows older than a year, nightly."""
    audit_clean_up()


@app.periodic(cron="* * * * * */5")
@app.task(name="audit.enter_spool", queueing_lock="audit.enter_spool", pass_context=False)
def enter_spool(timestamp: int) -> int:
    """Enter spooled audit rows into the log, every five seconds."""
    return audit_spool_enter()
