"""A robot's connection settings as users and clients see them: without secrets.

In the column, `secrets` maps a name to `{"value", "set_at"}`; the value is encrypted for this robot
and this name. A CHECK of the database rejects anything else, so that no plain text is stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

SECRETS = "secrets"


def stored_secrets(config: dict[str, Any] | None) -> dict[str, dict[str, str]]:
    """Return the encrypted secrets of a connection by name."""
    secrets: dict[str, dict[str, str]] = (config or {}).get(SECRETS, {})
    return secrets


def plain_connection(config: dict[str, Any] | None) -> dict[str, Any]:
    """Return the settings of a connection without its secrets."""
    return {name: value for name, value in (config or {}).items() if name != SECRETS}


def secret_times(config: dict[str, Any] | None) -> dict[str, datetime]:
    """Return when each secret was set or last replaced."""
    secrets = stored_secrets(config)
    return {name: datetime.fromisoformat(secret["set_at"]) for name, secret in secrets.items()}


def displayed_connection(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return connection settings with times instead of secrets."""
    if config is None:
        return None
    times = {
        name: {"replaced_at": time.isoformat().replace("+00:00", "Z")}
        for name, time in secret_times(config).items()
    }
    return {**plain_connection(config), SECRETS: times}
