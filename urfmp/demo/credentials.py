"""The file that holds the demo's passwords and device keys."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"


def readable_password() -> str:
    """Return three made-up words and a number: 22 characters, 62 bits of chance."""
    words = [
        "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(3))
        for _ in range(3)
    ]
    return "-".join([*words, str(secrets.randbelow(90) + 10)])


class CredentialsFile:
    """Passwords by address and device keys by serial number, readable by the owner alone.

    Written before the rows that depend on it are committed. What the file holds and the database
    does not know, or knows otherwise, is made true by the next run.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one that can be read."""
        self.path = path
        self.was_lost = False
        self._data = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            data = None
        except ValueError:
            data = None
        self.was_lost = not isinstance(data, dict)
        data = data if isinstance(data, dict) else {}
        return {
            "sign_in": data.get("sign_in") or {},
            "organization": data.get("organization") or "",
            "users": list(data.get("users") or ()),
            "device_keys": dict(data.get("device_keys") or {}),
        }

    def password(self, email: str) -> str | None:
        """Return the password that the file holds for an address."""
        for user in self._data["users"]:
            if user["email"] == email:
                return str(user["password"])
        return None

    def set_user(self, *, email: str, password: str, role: str, organization: str) -> None:
        """Note a person's password."""
        others = [user for user in self._data["users"] if user["email"] != email]
        user = {"email": email, "password": password, "role": role, "organization": organization}
        self._data["users"] = [*others, user]

    def device_key(self, serial_number: str) -> str | None:
        """Return the key that the file holds for a robot."""
        keys: dict[str, str] = self._data["device_keys"]
        return keys.get(serial_number)

    def set_device_key(self, serial_number: str, key: str) -> None:
        """Note a robot's key."""
        self._data["device_keys"][serial_number] = key

    def set_sign_in(self, *, email: str, organization: str) -> None:
        """Note with whom to sign in first."""
        self._data["sign_in"] = {"email": email, "password": self.password(email)}
        self._data["organization"] = organization

    def save(self) -> None:
        """Replace the file at once, so that no interruption leaves half of one.

        A file that holds this already is left alone.
        """
        text = json.dumps(self._data, indent=2) + "\n"
        if self.path.exists() and self.path.read_text(encoding="utf-8") == text:
            self.path.chmod(0o600)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp makes it readable by the owner alone.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
