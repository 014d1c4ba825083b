"""Periodic jobs on robots."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from procrastinate.contrib.django import app

from apps.robots.services.claim_codes import expired_claim_codes_delete
from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from apps.robots.services.commands.stop_requests import stop_requests_check
from apps.robots.services.imports.control import robot_import_enqueue
from apps.robots.services.imports.runs import (
    robot_import_run,
    robot_imports_clean_up,
    robot_imports_resume,
)
from apps.robots.services.presence import robots_update_presence
from apps.robots.services.purge import robot_purge_run
from urfmp.common.tenancy.context import Actor, tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

# An import of robots gives way to other jobs after this long, and continues in a new job.
_MAX_IMPORT_RUN_SECONDS = 15.0


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.mark_offline", queueing_lock="robots.mark_offline", pass_context=False)
def mark_offline(timestamp: int) -> int:
    """Mark silent robots as offline, every five seconds."""
    return sum(map(_update_presence, organization_ids()))


def _update_presence(organization_id: UUID) -> int:
    """Update all robots of an organization, some in each transaction."""
    total, changed = 0, None
    while changed != 0:
        with tenant_transaction(organization_id):
            changed = robots_update_presence()
        total += changed
    return total


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.end_commands", queueing_lock="robots.end_commands", pass_context=False)
def end_commands(timestamp: int) -> int:
    """End commands without hand-over or answer, every five seconds."""
    ended = 0
    for organization_id in organization_ids():
        # Several transactions: a command whose alert cannot be written does not keep others alive.
        with tenant_transaction(organization_id):
            ended += commands_expire()
        with tenant_transaction(organization_id):
            ended += commands_mark_unknown()
        with tenant_transaction(organization_id):
            stop_requests_check()
    return ended


@app.periodic(cron="47 3 * * *")
@app.task(name="robots.clean_up", queueing_lock="robots.clean_up")
def clean_up(timestamp: int) -> None:
    """Delete expired claim codes and old imports, every night."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            expired_claim_codes_delete()
        robot_imports_clean_up(organization_id)


@app.task(name="robots.run_import")
def run_import(organization_id: str, import_id: str) -> None:
    """Check or run an import; enqueue itself again while rows are left."""
    has_rows = robot_import_run(
        organization_id=UUID(organization_id),
        import_id=UUID(import_id),
        max_seconds=_MAX_IMPORT_RUN_SECONDS,
    )
    if has_rows:
        robot_import_enqueue(UUID(organization_id), UUID(import_id), delay_seconds=1)


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.resume_imports", queueing_lock="robots.resume_imports", pass_context=False)
def resume_imports(timestamp: int) -> None:
    """Continue imports whose worker died, every five seconds."""
    for organization_id in organization_ids():
        robot_imports_resume(organization_id)


@app.task(name="robots.purge", retry=3)
def purge(organization_id: str, robot_id: str, actor: dict[str, Any]) -> bool:
    """Delete a retired robot and all its data."""
    ids = {name: UUID(actor[name]) for name in ("user_id", "api_key_id") if actor.get(name)}
    return robot_purge_run(
        organization_id=UUID(organization_id),
        robot_id=UUID(robot_id),
        actor=Actor(**{**actor, **ids}),
    )
