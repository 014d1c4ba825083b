"""Connect robots: create, exchange and revoke one-time claim codes.

A user creates a code at the robot's page and enters it at the robot, which exchanges it once for an
API key of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from apps.accounts.exceptions import GrantExceedsOwnError, PlanLimitError, TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.permissions.grants import check_can_grant_scopes
from apps.accounts.selectors.credentials import is_super_admin
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.login_audit import record_anonymous_failure
from apps.accounts.services.quotas import reserve_quota
from apps.accounts.services.users import system_user_get
from apps.accounts.throttling import throttle_claim
from apps.audit.services.audit_logs import audit_record
from apps.robots.choices import Lifecycle
from apps.robots.exceptions import InvalidClaimCodeError, RobotHasKeyError, RobotRetiredError
from apps.robots.models import Robot, RobotClaimCode
from apps.robots.selectors.claim_codes import (
    ClaimCredential,
    claim_credential,
    generate_claim_code,
    normalize_claim_code,
    robot_valid_key,
)
from apps.robots.services.lifecycle import robot_change_lifecycle
from apps.robots.services.robots import robot_lock
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction

CLAIM_CODE_LIFETIME = timedelta(hours=24)
# What the reference client needs: it sends telemetry and executes commands.
CLAIMED_KEY_SCOPES = ("commands:write", "telemetry:write")

_EXCHANGE = "robots.claim_code.exchange"


@dataclass(frozen=True)
class ClaimedRobot:
    """A robot that has exchanged its claim code.

    Attributes:
        robot: The robot.
        key: Its API key, which cannot be shown again.
    """

    robot: Robot
    key: str


class _ClaimRefusedError(Exception):
    """The code cannot be exchanged; the text is for the audit log."""


def claim_code_create(*, robot: Robot, created_by: User) -> tuple[RobotClaimCode, str]:
    """Create a robot's claim code, which replaces the previous one.

    Locks the robot's row, so that of two codes the later one is stored, and the robot is not
    retired meanwhile.

    Args:
        robot: Robot without a valid API key.
        created_by: User who creates the code. It is valid only while the user may create the key.

    Returns:
        The row and the code itself, which cannot be shown again.

    Raises:
        GrantExceedsOwnError: The user does not have the permissions of the robot's key.
        PlanLimitError: The plan allows no further API key.
        RobotHasKeyError: The robot has a valid API key.
        RobotRetiredError: The robot is retired.
    """
    check_can_grant_scopes(created_by, CLAIMED_KEY_SCOPES)
    code = generate_claim_code()
    with audit_action("robots.claim_code.create"):
        locked = robot_lock(robot.pk)
        if not locked.is_active:
            raise RobotRetiredError
        if robot_valid_key(locked) is not None:
            raise RobotHasKeyError
        reserve_quota(locked.organization_id, "api_keys")  # rather here than at the robot
        # A new row, because an exchange of the previous code may have found the id of the old one.
        RobotClaimCode.objects.filter(robot=locked).delete()
        row = RobotClaimCode.objects.create(
            organization_id=locked.organization_id,
            robot=locked,
            code_digest=hash_token(normalize_claim_code(code)),
            created_by=created_by,
            expires_at=timezone.now() + CLAIM_CODE_LIFETIME,
        )
    return row, code


def claim_code_revoke(robot: Robot) -> bool:
    """Revoke a robot's claim code; return whether there was one."""
    with audit_action("robots.claim_code.revoke"):
        deleted, _ = RobotClaimCode.objects.filter(robot=robot).delete()
    return bool(deleted)


def claim_code_exchange(actor: Actor, *, code: str) -> ClaimedRobot:
    """Exchange a claim code for an API key of its robot.

    The robot's row is locked first, so of parallel exchanges of one code the second finds it
    deleted. A planned robot enters commissioning. Call it outside of transactions, so that rejected
    attempts are audited and stay counted: in the organization if the code exists, else in samples.

    Args:
        actor: Client of the request.
        code: Code as it was entered.

    Raises:
        InvalidClaimCodeError: The code is unknown, used, replaced, revoked or expired; or its
            author may no longer create the key. The error does not say which.
        PlanLimitError: The plan allows no further API key. The code stays valid.
        TooManyAttemptsError: Too many wrong codes came from this network.
    """
    try:
        with throttle_claim(actor.ip_address):
            if (credential := claim_credential(code)) is None:
                _record_unknown_code(actor, InvalidClaimCodeError().message)
                raise InvalidClaimCodeError
            return _exchange_or_record(actor, credential)
    except TooManyAttemptsError as error:
        if error.is_first_rejection:
            _record_unknown_code(actor, error.message)
        raise


def _record_unknown_code(actor: Actor, message: str) -> None:
    record_anonymous_failure(
        actor, action=_EXCHANGE, resource_type="claim_code", error_message=message
    )


def _exchange_or_record(actor: Actor, credential: ClaimCredential) -> ClaimedRobot:
    try:
        with tenant_transaction(credential.organization_id, actor), audit_action(_EXCHANGE):
            return _exchange(credential)
    except (_ClaimRefusedError, PlanLimitError) as error:
        with tenant_transaction(credential.organization_id, actor):
            audit_record(
                action=_EXCHANGE,
                resource_type="robot",
                resource_id=credential.robot_id,
                success=False,
                error_message=str(error),
            )
        if isinstance(error, PlanLimitError):
            raise
        raise InvalidClaimCodeError from error


def _exchange(credential: ClaimCredential) -> ClaimedRobot:
    """Exchange a code in the tenant transaction of its organization."""
    try:
        robot = robot_lock(credential.robot_id)
    except Robot.DoesNotExist as error:  # purged meanwhile
        raise _ClaimRefusedError("The robot was deleted.") from error  # noqa: EM101
    rows = RobotClaimCode.objects.filter(pk=credential.id)
    author_id = rows.values_list("created_by_id", flat=True).first()
    if author_id is None:
        raise _ClaimRefusedError("The claim code was used or revoked.")  # noqa: EM101
    if credential.is_expired:
        raise _ClaimRefusedError("The claim code has expired.")  # noqa: EM101
    if robot_valid_key(robot) is not None:
        raise _ClaimRefusedError("The robot has a valid API key.")  # noqa: EM101
    if not _may_still_connect(author_id):
        raise _ClaimRefusedError("The author of the claim code may no longer create API keys.")  # noqa: EM101
    deleted, _ = rows.delete()
    if not deleted:  # a user revokes it at this moment
        raise _ClaimRefusedError("The claim code was revoked.")  # noqa: EM101
    _, key = api_key_create(
        organization_id=robot.organization_id,
        user=system_user_get(organization_id=robot.organization_id),
        name=robot.name,
        permissions=list(CLAIMED_KEY_SCOPES),
        robot=robot,
    )
    if robot.lifecycle == Lifecycle.PLANNED:
        robot = robot_change_lifecycle(robot, lifecycle=Lifecycle.COMMISSIONING)
    return ClaimedRobot(robot, key)


def _may_still_connect(author_id: UUID) -> bool:
    """Return whether a code's author may still create the robot's key."""
    author: User | None = User.objects.filter(pk=author_id).first()
    if author is None:
        return is_super_admin(author_id)
    if not author.is_active or not author.has_perm("robots.claim_robot"):
        return False
    try:
        check_can_grant_scopes(author, CLAIMED_KEY_SCOPES)
    except GrantExceedsOwnError:
        return False
    return True


def expired_claim_codes_delete() -> int:
    """Delete the open organization's expired claim codes; return their number."""
    with audit_action("robots.claim_code.clean_up"):
        removed, _ = RobotClaimCode.objects.filter(expires_at__lt=timezone.now()).delete()
    return int(removed)
