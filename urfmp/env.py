"""Read settings from the environment; invalid values raise ImproperlyConfigured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

_KEY_LENGTH = 43  # 256 bits as `secrets.token_urlsafe` writes them
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def env_str(name: str, default: str | None = None) -> str:
    """Return a variable, or the content of the file that `<name>_FILE` names.

    Raises:
        ImproperlyConfigured: Neither is set and there is no default, or the file is unreadable.
    """
    if file_name := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            msg = f"{name}_FILE names {file_name}, which cannot be read: {error.strerror}."
            raise ImproperlyConfigured(msg) from error
    value = os.environ.get(name, default)
    if value is None:
        msg = f"Set {name} (or {name}_FILE) in the environment; .env.example explains it."
        raise ImproperlyConfigured(msg)
    return value


def env_bool(name: str, *, default: bool) -> bool:
    """Return a boolean variable: True, False, 1 or 0, in any case.

    Raises:
        ImproperlyConfigured: The value is none of these.
    """
    value = env_str(name, str(default))
    try:
        return _BOOLEANS[value.lower()]
    except KeyError:
        msg = f"{name} must be True or False, not {value!r}."
        raise ImproperlyConfigured(msg) from None


def env_int(name: str, *, default: int, minimum: int = 0) -> int:
    """Return a variable that is a whole number.

    An empty variable means the default.

    Raises:
        ImproperlyConfigured: The value is not such a number.
    """
    value = env_str(name, "") or str(default)
    try:
        number = int(value)
    except ValueError:
        number = minimum - 1
    if number < minimum:
        msg = f"{name} must be a whole number of at least {minimum}, not {value!r}."
        raise ImproperlyConfigured(msg)
    return number


def env_choice(name: str, choices: tuple[str, ...]) -> str:
    """Return a variable that is one of the choices.

    The first choice is the default.

    Raises:
        ImproperlyConfigured: The value is not a choice.
    """
    value = env_str(name, choices[0])
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, not {value!r}."
        raise ImproperlyConfigured(msg)
    return value


def encryption_keys(text: str, *, lenient: bool) -> dict[int, str]:
    """Return the keys in a text such as `1:first-key,2:second-key`, by number.

    Args:
        text: Value of the variable.
        lenient: Whether a key may be short, as in development.

    Raises:
        ImproperlyConfigured: There is no key, a number is used twice, or a key is too short. The
            message does not reveal the key.
    """
    keys: dict[int, str] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        number, colon, key = part.partition(":")
        if not colon or not number.isascii() or not number.isdecimal() or int(number) in keys:
            msg = "ENCRYPTION_KEYS must have the form 1:key,2:key, with unique numbers."
            raise ImproperlyConfigured(msg)
        if len(key) < _KEY_LENGTH and not lenient:
            msg = f"Key {number} of ENCRYPTION_KEYS is shorter than {_KEY_LENGTH} characters."
            raise ImproperlyConfigured(msg)
        keys[int(number)] = key
    if not keys:
        msg = "ENCRYPTION_KEYS contains no key; generate one, see .env.example."
        raise ImproperlyConfigured(msg)
    return keys


def mailer(server: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return an entry of MAILERS.

    E-mail goes to a mail server, into files or to the console.

    Args:
        server: Options of the mail server; `host` is empty if there is none.
        folder: Folder for files instead of a server; empty for none.

    Raises:
        ImproperlyConfigured: Both a server and a folder are given.
    """
    if server["host"] and folder:
        msg = "Set EMAIL_HOST or EMAIL_FOLDER, not both."
        raise ImproperlyConfigured(msg)
    kind, options = "console", {}
    if server["host"]:
        kind, options = "smtp", server
    elif folder:
        kind, options = "filebased", {"file_path": folder}
    return {"BACKEND": f"django.core.mail.backends.{kind}.EmailBackend", "OPTIONS": options}


def env_list(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without empty entries."""
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def database_from_url(url: str, *, engine: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a libpq URL.

    Supports all forms of libpq: TCP, several hosts, a percent-encoded socket folder.

    Raises:
        ImproperlyConfigured: libpq cannot parse the URL, or it names no database.
    """
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        msg = f"A database URL is not a valid libpq URL: {error}"
        raise ImproperlyConfigured(msg) from error
    if not parts.get("dbname"):
        msg = "A database URL names no database; use postgresql://user@host/database."
        raise ImproperlyConfigured(msg)
    return {
        "ENGINE": engine,
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "OPTIONS": parts,
    }
