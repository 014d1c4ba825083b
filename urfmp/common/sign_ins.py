"""When and how the person behind a request has shown who they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

_AT, _FACTOR = "auth_at", "second_factor"


@dataclass(frozen=True)
class SignIn:
    """The last time that a person showed their password, within one sign-in.

    Attributes:
        at: Seconds since 1970.
        has_second_factor: Whether a second factor was shown as well.
    """

    at: float = 0
    has_second_factor: bool = False

    @classmethod
    def now(cls, *, has_second_factor: bool) -> SignIn:
        """Return one that is being made."""
        return cls(time.time(), has_second_factor)

    @classmethod
    def read(cls, held: Any) -> SignIn:
        """Return what a session or a token family holds."""
        return cls(float(held.get(_AT) or 0), bool(held.get(_FACTOR)))

    def values(self) -> dict[str, Any]:
        """Return what a session or a token family is to hold."""
        return {_AT: self.at, _FACTOR: self.has_second_factor}
