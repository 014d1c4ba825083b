"""Passwords of one checkout's services, generated once and kept with the data."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import read_text, write_atomically


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords and keys of letters, digits, `-` and `_`.

    They need no quoting in a URL, in SQL or in a shell.
    """

    postgres: str
    urfmp: str
    urfmp_app: str
    redis: str
    secret_key: str
    encryption_key: str


def load_credentials(state: Path) -> Credentials:
    """Return the passwords of a state folder.

    The first call generates them.

    Raises:
        EmbeddedError: The file is damaged.
    """
    path = state / "credentials-of-services.json"
    if text := read_text(path):
        try:
            return _completed(path, json.loads(text))
        except (TypeError, ValueError) as error:
            msg = f"{path} is damaged. `make reset` deletes this checkout's data and starts over."
            raise EmbeddedError(msg) from error
    return _completed(path, {})


def _completed(path: Path, known: dict[str, str]) -> Credentials:
    """Generate the passwords that the file does not contain yet.

    A file of an older version may lack some of them.
    """
    wanted = [field.name for field in fields(Credentials)]
    made = Credentials(**{**{name: secrets.token_urlsafe(48) for name in wanted}, **known})
    if asdict(made) != known:
        write_atomically(path, json.dumps(asdict(made), indent=2) + "\n")
    return made
