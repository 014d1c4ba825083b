"""Read and write the file with the demo's passwords and device keys."""

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
    """Return three made-up words and a number.

    The password has 22 characters and 62 bits of entropy.
    """
    words = [
        "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(3))
        for _ in range(3)
    ]
    return "-".join([*words, str(secrets.randbelow(90) + 10)])


class CredentialsFile:
    """Passwords by e-mail address and device keys by serial number.

    Only the owner can read the file. It is written before the dependent rows are committed. A
    difference between file and database is resolved by the next run.
    """

    def __init__(self, path: Path) -> None:
        """Read the file if it exists and is valid."""
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
            "login": data.get("login") or {},
            "organization": data.get("organization") or "",
            "users": list(data.get("users") or ()),
            "device_keys": dict(data.get("device_keys") or {}),
        }

    def password(self, email: str) -> str | None:
        """Return the stored password of an e-mail address, or None."""
        for user in self._data["users"]:
            if user["email"] == email:
                return str(user["password"])
        return None

    def set_user(self, *, email: str, password: str, role: str, organization: str) -> None:
        """Set the password of a user."""
        others = [user for user in self._data["users"] if user["email"] != email]
        user = {"email": email, "password": password, "role": role, "organization": organization}
        self._data["users"] = [*others, user]

    def device_key(self, serial_number: str) -> str | None:
        """Return the stored key of a robot, or None."""
        keys: dict[str, str] = self._data["device_keys"]
        return keys.get(serial_number)

    def set_device_key(self, serial_number: str, key: str) -> None:
        """Set the key of a robot."""
        self._data["device_keys"][serial_number] = key

    def set_login(self, *, email: str, organization: str) -> None:
        """Set the user to log in with first."""
        self._data["login"] = {"email": email, "password": self.password(email)}
        self._data["organization"] = organization

    def save(self) -> None:
        """Replace the file atomically.

        An interruption never leaves a partial file. An unchanged file is not rewritten.
        """
        text = json.dumps(self._data, indent=2) + "\n"
        if self.path.exists() and self.path.read_text(encoding="utf-8") == text:
            self.path.chmod(0o600)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp creates a file that only the owner can read.
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
