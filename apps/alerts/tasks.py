"""Periodic jobs on alerts and notifications."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.alerts.selectors.rules import EVALUATE_TASK
from apps.alerts.services.notifications.deliveries import deliveries_clean_up
from apps.alerts.services.notifications.push import push_subscriptions_clean_up
from apps.alerts.services.notifications.sender import deliveries_send
from apps.alerts.services.notifications.wakeup import SEND_TASK
from apps.alerts.services.notifications.watchdog import watchdog_check
from apps.alerts.services.rules.rounds import rules_evaluate
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

# A run ends before the next one starts, so that rules are evaluated all the time.
_RUN_SECONDS = 4.8
# Under constant load the job ends after this long, so that a stopping worker waits no longer.
_MAX_RUN_SECONDS = 55.0


@app.periodic(cron="* * * * * */5")
@app.task(name=EVALUATE_TASK, queueing_lock=EVALUATE_TASK)
def evaluate_rules(timestamp: int) -> None:
    """Evaluate rules on new points and by the clock, all the time."""
    rules_evaluate(_RUN_SECONDS)


@app.periodic(cron="* * * * * */5")
@app.task(name=SEND_TASK, queueing_lock=SEND_TASK, pass_context=False)
def send_deliveries(timestamp: int) -> int:
    """Send due notifications, every five seconds and whenever one is written."""
    return deliveries_send(max_seconds=_MAX_RUN_SECONDS)


@app.periodic(cron="* * * * * */20")
@app.task(name="alerts.watch_deliveries", queueing_lock="alerts.watch_deliveries")
def watch_deliveries(timestamp: int) -> None:
    """Report critical notifications that are not delivered, every 20 seconds."""
    for organization_id in organization_ids():
        watchdog_check(organization_id)


@app.periodic(cron="29 3 * * *")
@app.task(name="alerts.clean_up_deliveries", queueing_lock="alerts.clean_up_deliveries")
def clean_up_deliveries(timestamp: int) -> None:
    """Delete old deliveries and subscriptions that ended, every night."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            deliveries_clean_up()
            push_subscriptions_clean_up()
