"""Labels of robots that accept work requests without a login."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from apps.maintenance.models import RobotLabel
from apps.robots.models import Robot
from urfmp.common.security.bearer_secrets import hash_token, random_text
from urfmp.common.security.field_encryption import encrypt
from urfmp.common.tenancy.context import audit_action

# 131 bits; longer tokens make the QR code denser.
_TOKEN_CHARS = 22


def robot_labels_issue(robots: Iterable[Robot]) -> int:
    """Let the labels of robots accept work requests without a login.

    Labels that do already keep their address. Of two requests in parallel, the second one keeps
    the first one's labels.

    Args:
        robots: Robots of the organization whose transaction is open; retired ones are left out.

    Returns:
        Number of labels issued.
    """
    issued = 0
    with audit_action("maintenance.robot_label.create"):
        active = [robot for robot in robots if robot.is_active]
        found = RobotLabel.objects.filter(robot__in=active).values_list("robot_id", flat=True)
        known = set(found)
        for robot in active:
            if robot.pk not in known:
                issued += _issue(robot)
    return issued


def _issue(robot: Robot) -> int:
    token, row_id = random_text(_TOKEN_CHARS), uuid4()
    label = RobotLabel(
        id=row_id,
        organization_id=robot.organization_id,
        robot=robot,
        token=encrypt(token, organization_id=robot.organization_id, row_id=row_id, field="token"),
        token_digest=hash_token(token),
    )
    # `robot_labels_robot_key` decides between two requests.
    RobotLabel.objects.bulk_create([label], ignore_conflicts=True)
    return 1


def robot_labels_revoke(robots: Iterable[Robot]) -> int:
    """Revoke the labels of robots; return their number.

    Printed labels then only lead to the login.
    """
    with audit_action("maintenance.robot_label.revoke"):
        rows = RobotLabel.objects.filter(robot__in=list(robots))
        deleted, _ = rows.delete()
    return int(deleted)
