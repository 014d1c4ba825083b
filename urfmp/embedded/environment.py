"""The variables that tell every process of the product where its services are."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.servers.bootstrap import DATABASE, OWNER, RUNTIME
from urfmp.embedded.servers.credentials import load_credentials
from urfmp.embedded.servers.services import Services
from urfmp.embedded.system.paths import Places
from urfmp.embedded.system.ports import HOST

_ADDRESSES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL")
_OPTIONAL = ("ADMIN_DATABASE_URL", "DATABASE_DIRECT_URL", "SECRET_KEY", "ENCRYPTION_KEYS")


def given_addresses(places: Places) -> dict[str, str] | None:
    """Return the addresses that the caller gave; None where the services are ours.

    Ours is also what `eval $(make env)` left behind in a shell, which may be out of date.

    Raises:
        EmbeddedError: Only some of the addresses are given.
    """
    given = {name: os.environ[name] for name in _ADDRESSES if os.environ.get(name)}
    ours = f"@{_host(places)}:5432/"
    if not given or any(ours in address for address in given.values()):
        return None
    if missing := [name for name in _ADDRESSES if name not in given]:
        msg = (
            f"{' and '.join(given)} set, but not {' and '.join(missing)}: set all of them, or none "
            "to use services that are started for you."
        )
        raise EmbeddedError(msg)
    return given


def external_environment(places: Places, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for services that are not ours, completed with what we make up."""
    places.make()
    credentials = load_credentials(places.state)
    optional = {name: os.environ[name] for name in _OPTIONAL if os.environ.get(name)}
    return {
        "DATABASE_DIRECT_URL": given["DATABASE_URL"],
        "SECRET_KEY": credentials.secret_key,
        "ENCRYPTION_KEYS": f"1:{credentials.encryption_key}",
        **given,
        **optional,
        "URFMP_STATE_DIR": str(places.state),
    }


def service_environment(services: Services) -> dict[str, str]:
    """Return the addresses of our own services; Redis must have been started."""
    credentials = services.credentials
    host = _host(services.places)

    def address(role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{host}:5432/{DATABASE}"

    return {
        "DATABASE_URL": address(RUNTIME, credentials.urfmp_app),
        "MIGRATION_DATABASE_URL": address(OWNER, credentials.urfmp),
        "ADMIN_DATABASE_URL": address("postgres", credentials.postgres),
        "DATABASE_DIRECT_URL": address(RUNTIME, credentials.urfmp_app),
        "REDIS_URL": f"redis://:{credentials.redis}@{HOST}:{services.redis.port}/0",
        "SECRET_KEY": credentials.secret_key,
        "ENCRYPTION_KEYS": f"1:{credentials.encryption_key}",
        "URFMP_STATE_DIR": str(services.places.state),
    }


def shell_lines(environment: Mapping[str, str]) -> str:
    """Return KEY=value lines that a shell can evaluate."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def merged(environment: Mapping[str, str]) -> dict[str, str]:
    """Return our own environment with these variables in it, and nothing that overrules them.

    A `<NAME>_FILE` of the same name would.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in environment
    }
    return {**inherited, **environment}


def _host(places: Places) -> str:
    return quote(str(places.socket), safe="")
