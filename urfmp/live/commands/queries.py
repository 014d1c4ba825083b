"""Queries of the command endpoint; call them in a thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import IP_NOT_ALLOWED
from apps.accounts.selectors.credentials import (
    KeyCredential,
    key_credential,
    key_credentials,
    record_key_uses,
)
from apps.robots.models import RobotCommand
from apps.robots.selectors.due_commands import robots_with_due_commands
from apps.robots.services.commands.hand_over import command_claim_next
from apps.robots.services.presence import robots_contacted
from urfmp.common.tenancy.context import Actor
from urfmp.live.authentication import PresentedCredential
from urfmp.live.http.errors import HttpError

_PERMISSION = "robots.add_robotcommand"
_NOT_A_ROBOT = "Use a key bound to a robot, with the scope commands:write."


@dataclass(frozen=True)
class Device:
    """A robot that was authenticated by its key.

    Attributes:
        has_due_command: Whether a command was due for it then.
    """

    key_id: UUID
    organization_id: UUID
    robot_id: UUID
    has_due_command: bool = False


class HandedOverCommand(msgspec.Struct):
    """A command as the robot gets it.

    The robot compares the two periods with the time since the response arrived, so that its clock
    and that of the server need not agree.

    Attributes:
        id: Id of the command, for reports.
        type: One of `CommandType`.
        payload: Fields of the type.
        priority: One of `CommandPriority`.
        created_at: When the command was created.
        sent_at: When it was handed over.
        expires_at: When it expires.
        expires_in: Seconds from the hand-over until it must not be started any more.
        acknowledge_in: Seconds from the hand-over until it must be acknowledged.
    """

    id: UUID
    type: str
    payload: dict[str, Any]
    priority: str
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    expires_in: float
    acknowledge_in: float


def authenticate_devices(credentials: Sequence[PresentedCredential]) -> list[Device | HttpError]:
    """Authenticate robots by their keys, record the contacts, and find due commands.

    The number of queries does not depend on the number of robots, only on that of their
    organizations: thousands of robots poll at the same time.

    Returns:
        For each credential the robot, or the error: 401 for an invalid key; 403 for a key without
        robot or scope, or at an address that it does not allow.
    """
    keys = key_credentials({item.token for item in credentials if not item.is_session})
    devices: dict[str, Device] = {}
    errors: dict[PresentedCredential, HttpError] = {}
    for credential in credentials:
        try:
            found = None if credential.is_session else keys.get(credential.token)
            devices[credential.token] = _device(_verified(credential, found))
        except HttpError as error:
            errors[credential] = error
    record_key_uses(keys[token] for token in devices)
    robots = defaultdict(set)
    for device in devices.values():
        robots[device.organization_id].add(device.robot_id)
    due: set[UUID] = set()
    for organization_id, robot_ids in robots.items():
        robots_contacted(organization_id, robot_ids)
        due.update(robots_with_due_commands(organization_id, robot_ids))
    return [
        errors.get(item)
        or replace(devices[item.token], has_due_command=devices[item.token].robot_id in due)
        for item in credentials
    ]


def verify_device(credential: PresentedCredential) -> Device:
    """Verify a robot's key again after the robot has waited.

    Raises:
        HttpError: As `authenticate_devices` returns it.
    """
    found = None if credential.is_session else key_credential(credential.token)
    return _device(_verified(credential, found))


def _verified(credential: PresentedCredential, found: KeyCredential | None) -> KeyCredential:
    if found is None:
        raise HttpError(401, "invalid_key", "The API key is unknown, revoked or expired.")
    if not found.allows_ip(credential.ip_address):
        raise HttpError(403, *IP_NOT_ALLOWED)
    return found


def _device(found: KeyCredential) -> Device:
    if found.robot_id is None or not ApiKeyPrincipal(found).has_perm(_PERMISSION):
        raise HttpError(403, "permission_denied", _NOT_A_ROBOT)
    return Device(found.id, found.organization_id, found.robot_id)


def claim_command(
    device: Device,
    credential: PresentedCredential,
    request_id: str,
    *,
    has_waited: bool,
    previous_id: UUID | None = None,
) -> HandedOverCommand | None:
    """Return a robot's next command, after its status `sent` is committed.

    Args:
        device: Robot that was authenticated.
        credential: Its key.
        request_id: Id of the request, for the audit log.
        has_waited: Whether the robot has waited since it was authenticated. Then its key is
            verified again.
        previous_id: Command that a stream has sent last.

    Raises:
        AcknowledgementOverdueError: The robot did not acknowledge the previous command in time.
        HttpError: 401 or 403 if the key no longer authenticates the robot.
    """
    if has_waited:
        device = verify_device(credential)
    command = command_claim_next(
        organization_id=device.organization_id,
        robot_id=device.robot_id,
        actor=Actor(
            api_key_id=device.key_id, ip_address=credential.ip_address, request_id=request_id
        ),
        previous_id=previous_id,
    )
    return None if command is None else _handed_over(command)


def _handed_over(command: RobotCommand) -> HandedOverCommand:
    assert command.sent_at is not None  # noqa: S101 - narrows the type
    due_at = command.answer_due_at or command.sent_at
    return HandedOverCommand(
        id=command.pk,
        type=command.type,
        payload=command.payload or {},
        priority=command.priority or "",
        created_at=command.created_at,
        sent_at=command.sent_at,
        expires_at=command.expires_at,
        expires_in=max(0.0, (command.expires_at - command.sent_at).total_seconds()),
        acknowledge_in=max(0.0, (due_at - command.sent_at).total_seconds()),
    )
