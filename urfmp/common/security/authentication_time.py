"""When and how a user authenticated, as sessions and tokens store it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

_AT = "auth_at"
_FACTOR = "second_factor"


@dataclass(frozen=True)
class AuthenticationTime:
    """The last time that a user entered their password within one session.

    Attributes:
        at: Seconds since 1970.
        has_second_factor: Whether the user passed a second factor as well.
    """

    at: float = 0
    has_second_factor: bool = False

    @classmethod
    def now(cls, *, has_second_factor: bool) -> AuthenticationTime:
        """Return the value for an authentication that happens now."""
        return cls(time.time(), has_second_factor)

    @classmethod
    def read(cls, data: Any) -> AuthenticationTime:
        """Return the value that a session or a token family stores."""
        return cls(float(data.get(_AT) or 0), bool(data.get(_FACTOR)))

    def values(self) -> dict[str, Any]:
        """Return the entries that a session or a token family stores."""
        return {_AT: self.at, _FACTOR: self.has_second_factor}
