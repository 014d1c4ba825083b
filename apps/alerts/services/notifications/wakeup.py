"""Wake the sender after a commit."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.db import DatabaseError, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

logger = logging.getLogger(__name__)

SEND_TASK = "alerts.send_deliveries"


def wake_sender() -> None:
    """Start the sender's job after the commit, unless it is enqueued already.

    Deliveries wait for the periodic job if that fails.
    """
    transaction.on_commit(_enqueue, robust=True)


def _enqueue() -> None:
    task = app.configure_task(SEND_TASK, queueing_lock=SEND_TASK)
    with suppress(AlreadyEnqueued):
        try:
            task.defer(timestamp=0)
        except (ConnectorException, DatabaseError):
            logger.warning("The sender of notifications was not woken.", exc_info=True)
