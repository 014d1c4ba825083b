"""Work requests that wait, and the look-up of labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.maintenance.models import RobotLabel, WorkRequest
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.security.field_encryption import decrypt

MAX_TOKEN_CHARS = 100


@dataclass(frozen=True)
class LabelCredential:
    """A label that accepts requests, of a robot in service.

    Attributes:
        id: Id of the label.
        organization_id: Organization of the robot.
        robot_id: Robot on which the label is attached.
    """

    id: UUID
    organization_id: UUID
    robot_id: UUID


def label_credential(token: str) -> LabelCredential | None:
    """Return the credential of a label's token; None if unknown or revoked."""
    if not token or len(token) > MAX_TOKEN_CHARS:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, robot_id FROM robot_label_credential(%s)",
            [hash_token(token)],
        )
        row = cursor.fetchone()
    return LabelCredential(*row) if row else None


def label_tokens(robot_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the tokens of labels that accept requests, by robot."""
    labels = RobotLabel.objects.filter(robot_id__in=list(robot_ids))
    return {
        label.robot_id: decrypt(
            label.token,
            organization_id=label.organization_id,
            row_id=label.pk,
            field="token",
        )
        for label in labels
    }


def waiting_request_count(principal: Any) -> int:
    """Return the number of requests that wait for review."""
    return int(WorkRequest.objects.restrict(principal).waiting().count())
