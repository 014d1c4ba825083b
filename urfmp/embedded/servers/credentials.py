"""The passwords of one checkout's services: made once, kept as long as the data."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import read_text, write_atomically


@dataclass(frozen=True, slots=True)
class Credentials:
    """Letters, digits, `-` and `_` only, so that they need no quoting in a URL, SQL or a shell."""

    postgres: str
    urfmp: str
    urfmp_app: str
    redis: str
    secret_key: str
    encryption_key: str


def load_credentials(state: Path) -> Credentials:
    """Return the passwords of a state folder, making them at the first call.

    Raises:
        EmbeddedError: The file is damaged.
    """
    path = state / "credentials-of-services.json"
    if text := read_text(path):
        try:
            return _completed(path, json.loads(text))
        except (TypeError, ValueError) as error:
            msg = f"{path} is damaged; `make reset` starts afresh and deletes this checkout's data."
            raise EmbeddedError(msg) from error
    return _completed(path, {})


def _completed(path: Path, known: dict[str, str]) -> Credentials:
    """Make up what the file does not hold yet: all of it, or what an older version did not need."""
    wanted = [field.name for field in fields(Credentials)]
    made = Credentials(**{**{name: secrets.token_urlsafe(48) for name in wanted}, **known})
    if asdict(made) != known:
        write_atomically(path, json.dumps(asdict(made), indent=2) + "\n")
    return made
