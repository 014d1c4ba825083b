"""Periodic work on the record."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from procrastinate.contrib.django import app

from apps.audit.services.checkpoints import audit_checkpoint


@app.periodic(cron="*/15 * * * *")
@app.task(name="audit.checkpoint", queueing_lock="audit.checkpoint")
def checkpoint(timestamp: int) -> None:
    """Every quarter of an hour: sign what the chains' heads are, also when nothing happened."""
    if settings.AUDIT_CHECKPOINT_DIR:
        audit_checkpoint(Path(settings.AUDIT_CHECKPOINT_DIR))
