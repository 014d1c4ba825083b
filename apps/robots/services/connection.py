"""Connection settings of robots: encrypt, replace and reveal their secrets."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.audit.services.audit_logs import audit_record
from apps.robots.exceptions import SecretNotSetError, SecretUnreadableError
from apps.robots.models import Robot
from apps.robots.protocols.settings_schema import connection_errors
from apps.robots.selectors.connection import SECRETS, plain_connection, stored_secrets
from apps.robots.selectors.profiles import vendor_profile
from urfmp.common.db.json_values import check_json
from urfmp.common.security.field_encryption import DecryptionError, decrypt, encrypt

_COLUMN = "connection_config"


def given_secrets(config: Any) -> dict[str, str | None]:
    """Return the secrets that settings from outside replace or remove.

    A secret as it is displayed, an object, stays unchanged.
    """
    secrets = config.get(SECRETS) if isinstance(config, dict) else None
    if not isinstance(secrets, dict):
        return {}
    return {name: value for name, value in secrets.items() if not isinstance(value, dict)}


def connection_encrypt(
    robot: Robot, config: Any, stored: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Return settings from outside as the column stores them.

    New secrets are encrypted, null removes one, and the others stay. Settings that consist of
    secrets alone leave the others unchanged. Without settings, the secrets are removed as well.

    Args:
        robot: Robot with its id and its new vendor.
        config: Settings with secrets in plain text.
        stored: Settings that the column contains; the caller has locked the row.

    Raises:
        ValidationError: A setting is invalid, or the vendor does not have it.
    """
    if config is None:
        return None
    check_json(connection_config=config)
    changes = given_secrets(config)
    if stored is not None and isinstance(config, dict) and set(config) == {SECRETS}:
        config = {**plain_connection(stored), SECRETS: config[SECRETS]}
    checked = config
    if isinstance(config, dict) and isinstance(config.get(SECRETS), dict):
        checked = {**config, SECRETS: changes}
    if errors := connection_errors(checked, vendor_profile(robot.vendor)):
        raise ValidationError(errors)
    now = timezone.now().isoformat()
    secrets = dict(stored_secrets(stored))
    for name, value in changes.items():
        secrets.pop(name, None)
        if value is not None:
            secrets[name] = {"value": _encrypt(robot, name, value), "set_at": now}
    return {**plain_connection(config), **({SECRETS: secrets} if secrets else {})}


def record_replaced_secrets(robot: Robot, secrets: dict[str, str | None]) -> None:
    """Audit the names of the secrets that are set, replaced or removed."""
    if secrets:
        audit_record(
            action="robots.robot.replace_secret",
            resource_type="robot",
            resource_id=robot.pk,
            request_data={"names": sorted(secrets)},
        )


def validate_stored_connection(robot: Robot, stored: dict[str, Any] | None) -> None:
    """Check stored connection settings against the robot's new vendor.

    Raises:
        ValidationError: The vendor does not have the protocol.
    """
    errors = connection_errors(plain_connection(stored), vendor_profile(robot.vendor))
    if stored is not None and errors:
        raise ValidationError(errors)


def connection_secret_reveal(robot: Robot, name: str) -> str:
    """Decrypt a secret of a robot's connection, and audit that.

    Raises:
        SecretNotSetError: The robot does not have this secret.
        SecretUnreadableError: The secret cannot be decrypted.
    """
    secret = stored_secrets(robot.connection_config).get(name)
    if secret is None:
        raise SecretNotSetError
    try:
        text = _decrypt(robot, name, secret["value"])
    except DecryptionError as error:
        msg = (
            f"The {name.replace('_', ' ')} of {robot} cannot be decrypted: it was copied from"
            " another robot or field, or changed, or its key is missing. Replace it."
        )
        raise SecretUnreadableError(msg) from error
    audit_record(
        action="robots.robot.reveal_secret",
        resource_type="robot",
        resource_id=robot.pk,
        request_data={"names": [name]},
    )
    return text


def _context(robot: Robot, name: str) -> dict[str, Any]:
    field = f"{_COLUMN}.{name}"
    return {"organization_id": robot.organization_id, "row_id": robot.pk, "field": field}


def _encrypt(robot: Robot, name: str, text: str) -> str:
    return encrypt(text, **_context(robot, name))


def _decrypt(robot: Robot, name: str, encrypted: str) -> str:
    return decrypt(encrypted, **_context(robot, name))
