"""Password validators after NIST SP 800-63B: length and a blocklist.

A password has at least 15 characters, or 8 beside a second factor. There are no composition rules.
Passwords that attackers try first are rejected.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

MAX_LENGTH = 1000  # bounds the cost of hashing
MIN_LENGTH = 15
_MIN_LENGTH_WITH_SECOND_FACTOR = 8
_MIN_WORD_LENGTH = 4
_PRODUCT = ("urfmp", "robot", "robots", "fleet")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop")
# Maximum share of characters that continue a sequence or a keyboard row.
_MAX_RUN_SHARE = 0.75


def min_length_for(user: Any) -> int:
    """Return the minimum length of a user's password."""
    return (
        _MIN_LENGTH_WITH_SECOND_FACTOR if getattr(user, "has_second_factor", False) else MIN_LENGTH
    )


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


def _personal_words(user: Any) -> set[str]:
    """Return words from the user's name and e-mail address, in lower case."""
    if user is None:
        return set(_PRODUCT)
    texts = [user.email, user.first_name or "", user.last_name or ""]
    words = {word for text in texts for word in re.split(r"[^\w]+|_", text.casefold())}
    words |= {_letters(text.partition("@")[0].casefold()) for text in texts}
    return {word for word in words if len(word) >= _MIN_WORD_LENGTH} | set(_PRODUCT)


def _is_keyboard_run(text: str) -> bool:
    """Return whether a text is mostly a sequence: 12345, qwert, aaaa."""
    steps = sum(
        0 <= ord(b) - ord(a) <= 1 or ord(a) - ord(b) == 1 or any(a + b in row for row in _KEYBOARD)
        for a, b in pairwise(text)
    )
    return steps > _MAX_RUN_SHARE * (len(text) - 1)


def _repeated_part(text: str) -> str:
    """Return the part that a text repeats, or the text itself."""
    return text[: (text + text).find(text, 1)]


class LengthValidator:
    """At least 15 characters, 8 with a second factor; at most 1,000."""

    def validate(self, password: str, user: Any = None) -> None:
        """Validate the length.

        Raises:
            ValidationError: The password is too short or too long.
        """
        min_length = min_length_for(user)
        if len(password) < min_length:
            msg = (
                f"This password is too short. It must contain at least {min_length} characters."
                " Several words are easy to remember."
            )
            raise ValidationError(msg, code="password_too_short")
        if len(password) > MAX_LENGTH:
            msg = f"This password is too long. It must contain at most {MAX_LENGTH:,} characters."
            raise ValidationError(msg, code="password_too_long")

    def get_help_text(self) -> str:
        """Return the text for forms."""
        with_factor = _MIN_LENGTH_WITH_SECOND_FACTOR
        return f"At least {MIN_LENGTH} characters, or {with_factor} with a second factor."


class BlockListValidator:
    """Rejects common passwords, sequences and the user's own names."""

    def validate(self, password: str, user: Any = None) -> None:
        """Validate that the password is hard to guess.

        Raises:
            ValidationError: The password is easy to guess.
        """
        text = "".join(password.casefold().split())
        if not text:
            raise ValidationError("The password cannot be only spaces.", code="password_too_common")  # noqa: EM101
        unit = _repeated_part(text)
        if {
            text,
            unit,
            _letters(text),
            _repeated_part(_letters(text)),
        } & _common_passwords() or _is_keyboard_run(text):
            msg = "This password is too common."
            raise ValidationError(msg, code="password_too_common")
        if len(unit) < _MIN_LENGTH_WITH_SECOND_FACTOR:
            msg = "This password repeats a short text."
            raise ValidationError(msg, code="password_too_common")
        rest = text
        for word in sorted(_personal_words(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(rest) < _MIN_LENGTH_WITH_SECOND_FACTOR:
            msg = "The password is too similar to your name, e-mail address or the product's name."
            raise ValidationError(msg, code="password_too_similar")

    def get_help_text(self) -> str:
        """Return the text for forms."""
        return "Not a common password, and not similar to your name."
