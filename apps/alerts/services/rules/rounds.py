"""Rounds of evaluation over all organizations."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.db import DatabaseError, OperationalError

from apps.alerts.selectors.rules import organizations_with_rules
from apps.alerts.services.rules.evaluation import evaluate_by_clock, evaluate_new_points
from apps.telemetry.services.pending_work import Consumer, organizations_with_pending_work

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.4
_CLOCK_SECONDS = 1.0


def rules_evaluate(seconds: float, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Evaluate rules for some seconds.

    New points are evaluated at once, the clock every second.

    An organization whose evaluation fails is logged and tried again in the next round; the others
    go on.

    Args:
        seconds: Time after which no further round begins.
        pause: Function that waits between rounds.

    Raises:
        OperationalError: The database does not answer, for any organization.
    """
    begin = time.monotonic()
    clock_due = begin
    while True:
        for organization_id in organizations_with_pending_work(Consumer.EVALUATED):
            _evaluate(evaluate_new_points, organization_id)
        if time.monotonic() >= clock_due:
            clock_due = time.monotonic() + _CLOCK_SECONDS
            for organization_id in organizations_with_rules():
                _evaluate(evaluate_by_clock, organization_id)
        if time.monotonic() - begin + _PAUSE_SECONDS > seconds:
            return
        pause(_PAUSE_SECONDS)


def _evaluate(evaluation: Callable[[UUID], int], organization_id: UUID) -> None:
    try:
        evaluation(organization_id)
    except OperationalError:
        raise
    except DatabaseError:
        logger.exception("Rules of organization %s could not be evaluated.", organization_id)
