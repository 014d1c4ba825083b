"""Periodic jobs on alerts."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.alerts.services.rules.rounds import rules_evaluate

# A run ends before the next one starts, so that rules are evaluated all the time.
_RUN_SECONDS = 4.8


@app.periodic(cron="* * * * * */5")
@app.task(name="alerts.evaluate_rules", queueing_lock="alerts.evaluate_rules")
def evaluate_rules(timestamp: int) -> None:
    """Evaluate rules on new points and by the clock, all the time."""
    rules_evaluate(_RUN_SECONDS)
