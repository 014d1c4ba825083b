"""Claim codes: their format, and their look-up before the organization is known.

A code is shown as four groups of four characters, because people type it on controllers without a
clipboard. The alphabet lacks letters that look like digits; typed ones are read as the digits.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.accounts.models import ApiKey
from apps.robots.models import Robot, RobotClaimCode
from urfmp.common.security.bearer_secrets import hash_token

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # 5 bits each
_LENGTH = 16
_GROUP_LENGTH = 4
_LOOKALIKES = str.maketrans("OIL", "011", "- ")


@dataclass(frozen=True)
class ClaimCredential:
    """A claim code that exists, as stored.

    Attributes:
        id: Id of the code.
        organization_id: Organization that owns the robot.
        robot_id: Robot that the code is for.
        is_expired: Whether the code has expired.
    """

    id: UUID
    organization_id: UUID
    robot_id: UUID
    is_expired: bool


def generate_claim_code() -> str:
    """Return a new claim code of 80 random bits."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP_LENGTH] for start in range(0, _LENGTH, 4))


def normalize_claim_code(code: str) -> str:
    """Return a typed code in the form that is hashed."""
    return code.upper().translate(_LOOKALIKES)


def hash_claim_code(code: str) -> str | None:
    """Return the digest of a typed code; None if malformed."""
    text = normalize_claim_code(code)
    if len(text) != _LENGTH or not set(text) <= set(_ALPHABET):
        return None
    return hash_token(text)


def claim_credential(code: str) -> ClaimCredential | None:
    """Return the credential of a claim code; None if unknown."""
    if (digest := hash_claim_code(code)) is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, robot_id, is_expired FROM robot_claim_credential(%s)",
            [digest],
        )
        row = cursor.fetchone()
    return ClaimCredential(*row) if row else None


def robot_claim_code(robot: Robot) -> RobotClaimCode | None:
    """Return the claim code that a robot can exchange now, if any."""
    found: RobotClaimCode | None = (
        RobotClaimCode.objects.filter(robot=robot).select_related("created_by").first()
    )
    return None if found is None or found.is_expired else found


def robot_valid_key(robot: Robot) -> ApiKey | None:
    """Return the newest valid API key of a robot, if any."""
    keys = ApiKey.objects.filter(robot=robot, is_active=True).order_by("-created_at")
    return next((key for key in keys if key.is_valid), None)
