"""Load and store the states of rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.utils import timezone

from apps.alerts.choices.rules import RuleState
from apps.alerts.models import AlertRule, AlertRuleState
from apps.alerts.protocols.program import NEVER, Program, to_datetime
from apps.alerts.services.rules.evaluator import RuleRecord
from apps.alerts.services.rules.machine import RAISED
from urfmp.common.db.locks import advisory_lock_within_second

_COLUMNS = (
    "rule_version", "state", "since", "last_sample_at", "value", "next_due_at", "is_unreported",
    "record", "error_message",
)  # fmt: skip


@dataclass
class StoredState:
    """The state of a rule for a robot, as it is stored."""

    record: RuleRecord = field(default_factory=RuleRecord)
    is_unreported: bool = False


def rules_lock(organization_id: UUID) -> bool:
    """Lock an organization's rules until the transaction ends; return whether it succeeded.

    Only one worker at a time evaluates an organization: it reads states, samples and alerts, and
    must not overwrite what another one has concluded from newer samples.
    """
    return advisory_lock_within_second(f"alert-rules:{organization_id}")


def states_load(
    rules: Iterable[AlertRule], robot_ids: Collection[UUID | None] | None = None
) -> dict[tuple[UUID, UUID | None], StoredState]:
    """Return the stored states by rule and robot.

    States of an earlier version of a rule do not count.
    """
    versions = {rule.pk: rule.version for rule in rules}
    rows = AlertRuleState.objects.filter(rule_id__in=list(versions))
    if robot_ids is not None:
        rows = rows.filter(robot_id__in=list(robot_ids))
    return {
        (row.rule_id, row.robot_id): StoredState(
            RuleRecord.from_json(row.record), row.is_unreported
        )
        for row in rows
        if row.rule_version == versions[row.rule_id]
    }


def state_row(
    rule: AlertRule,
    robot_id: UUID | None,
    stored: StoredState,
    program: Program,
) -> AlertRuleState:
    """Return the row that stores a rule's state for a robot."""
    record = stored.record
    machine = record.machine
    due = machine.next_deadline(program) if machine else NEVER
    held = machine.held.get(program.clauses[0].metric) if machine else None
    state = record.state
    if machine and state not in RAISED and machine.is_silent(program, machine.at):
        state = RuleState.NO_DATA
    return AlertRuleState(
        organization_id=rule.organization_id,
        rule=rule,
        robot_id=robot_id,
        rule_version=rule.version,
        state=state,
        since=to_datetime(machine.since if machine else 0),
        last_sample_at=to_datetime(held[0]) if held else None,
        value=held[1] if held else None,
        next_due_at=None if due >= NEVER else to_datetime(due + program.grace),
        is_unreported=stored.is_unreported,
        record=record.as_json(),
    )


def error_row(rule: AlertRule, robot_id: UUID | None, message: str) -> AlertRuleState:
    """Return the row of a rule that could not be evaluated."""
    return AlertRuleState(
        organization_id=rule.organization_id,
        rule=rule,
        robot_id=robot_id,
        rule_version=rule.version,
        state=RuleState.ERROR,
        since=timezone.now(),
        record=RuleRecord().as_json(),
        error_message=message[:1000],
    )


def states_store(rows: list[AlertRuleState]) -> None:
    """Insert or update the rows of states."""
    AlertRuleState.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["rule", "robot"],
        update_fields=list(_COLUMNS),
        batch_size=1000,
    )
