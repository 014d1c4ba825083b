"""Jobs of organizations: scheduled settings and the notices about them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from apps.organizations.services.scheduled_settings import (
    retention_notice_send,
    scheduled_settings_apply,
)
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

_RETRY_STRATEGY = RetryStrategy(max_attempts=8, exponential_wait=3)  # 3 s, 9 s, ... 36 min


@app.task(name="organizations.send_retention_notice", retry=_RETRY_STRATEGY)
def send_retention_notice(
    organization_id: str, user_id: str, changed_by: str | None, scheduled_at: str
) -> None:
    """Notify an admin of a shorter retention."""
    retention_notice_send(
        organization_id=UUID(organization_id),
        user_id=UUID(user_id),
        changed_by=UUID(changed_by) if changed_by else None,
        scheduled_at=datetime.fromisoformat(scheduled_at),
    )


@app.periodic(cron="*/10 * * * *")
@app.task(
    name="organizations.apply_scheduled_settings",
    queueing_lock="organizations.apply_scheduled_settings",
)
def apply_scheduled_settings(timestamp: int) -> None:
    """Let due settings take effect, every ten minutes."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            scheduled_settings_apply(organization_id)
