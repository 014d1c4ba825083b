"""Environment variables that give every process the addresses of its services."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.servers.bootstrap import DATABASE, OWNER, RUNTIME
from urfmp.embedded.servers.credentials import load_credentials
from urfmp.embedded.servers.services import Services
from urfmp.embedded.system.paths import InstallPaths
from urfmp.embedded.system.ports import HOST

_ADDRESS_VARIABLES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL")
_OPTIONAL_VARIABLES = ("ADMIN_DATABASE_URL", "SECRET_KEY", "ENCRYPTION_KEYS")


def external_addresses(paths: InstallPaths) -> dict[str, str] | None:
    """Return service addresses set by the caller, or None if unset.

    Variables left in a shell by `eval $(make env)` count as unset: they name our own services and
    may be out of date.

    Raises:
        EmbeddedError: Only some of the addresses are set.
    """
    given = {name: os.environ[name] for name in _ADDRESS_VARIABLES if os.environ.get(name)}
    ours = f"@{_host(paths)}:5432/"
    if not given or any(ours in address for address in given.values()):
        return None
    if missing := [name for name in _ADDRESS_VARIABLES if name not in given]:
        msg = (
            f"{' and '.join(given)} set, but not {' and '.join(missing)}: set all of them, or none "
            "to use the embedded services."
        )
        raise EmbeddedError(msg)
    return given


def external_environment(paths: InstallPaths, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for external services, with generated secrets where unset."""
    paths.create()
    credentials = load_credentials(paths.state)
    optional = {name: os.environ[name] for name in _OPTIONAL_VARIABLES if os.environ.get(name)}
    return {
        "SECRET_KEY": credentials.secret_key,
        "ENCRYPTION_KEYS": f"1:{credentials.encryption_key}",
        **given,
        **optional,
        "URFMP_STATE_DIR": str(paths.state),
    }


def service_environment(services: Services) -> dict[str, str]:
    """Return the addresses of our own services. Redis must have been started."""
    credentials = services.credentials
    host = _host(services.paths)

    def address(role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{host}:5432/{DATABASE}"

    return {
        "DATABASE_URL": address(RUNTIME, credentials.urfmp_app),
        "MIGRATION_DATABASE_URL": address(OWNER, credentials.urfmp),
        "ADMIN_DATABASE_URL": address("postgres", credentials.postgres),
        "REDIS_URL": f"redis://:{credentials.redis}@{HOST}:{services.redis.port}/0",
        "SECRET_KEY": credentials.secret_key,
        "ENCRYPTION_KEYS": f"1:{credentials.encryption_key}",
        "URFMP_STATE_DIR": str(services.paths.state),
    }


def shell_assignments(environment: Mapping[str, str]) -> str:
    """Return KEY=value lines that a shell can evaluate."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def merge_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the current environment with these variables overriding it.

    A `<NAME>_FILE` variable for one of them is removed, since it would take precedence.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in environment
    }
    return {**inherited, **environment}


def _host(paths: InstallPaths) -> str:
    return quote(str(paths.socket), safe="")
