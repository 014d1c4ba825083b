"""What a password has to be. Only length and being hard to guess count: no rules of composition.

After NIST SP 800-63B: 15 characters where the password is all there is, 8 beside a second factor;
everything that is typed counts; nothing that attackers try first.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

MAX_LENGTH = 1000  # no more is ever hashed
ALONE, _WITH_SECOND_FACTOR = 15, 8
_MIN_WORD = 4
_PRODUCT = ("urfmp", "robot", "robots", "fleet")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop")
# Of neighbouring characters, how many may follow each other as on a keyboard or in a row.
_MAX_STEPS = 0.75


def minimum_length(user: Any) -> int:
    """Return how many characters a person's password has at least."""
    return _WITH_SECOND_FACTOR if getattr(user, "has_second_factor", False) else ALONE


@cache
def _common() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


def _words_about(user: Any) -> set[str]:
    """Return what an attacker would try first for this person, in lower case."""
    if user is None:
        return set(_PRODUCT)
    texts = [user.email, user.first_name or "", user.last_name or ""]
    words = {word for text in texts for word in re.split(r"[^\w]+|_", text.casefold())}
    words |= {_letters(text.partition("@")[0].casefold()) for text in texts}
    return {word for word in words if len(word) >= _MIN_WORD} | set(_PRODUCT)


def _is_a_row(text: str) -> bool:
    """Tell whether most characters just follow, or repeat, the one before: 12345, qwert, aaaa."""
    steps = sum(
        0 <= ord(b) - ord(a) <= 1 or ord(a) - ord(b) == 1 or any(a + b in row for row in _KEYBOARD)
        for a, b in pairwise(text)
    )
    return steps > _MAX_STEPS * (len(text) - 1)


def _unit(text: str) -> str:
    """Return the piece that a text repeats from beginning to end; itself if it does not."""
    return text[: (text + text).find(text, 1)]


class LengthValidator:
    """At least 15 characters, 8 with a second factor; at most 1,000."""

    def validate(self, password: str, user: Any = None) -> None:
        """Check it.

        Raises:
            ValidationError: It is too short or too long.
        """
        least = minimum_length(user)
        if len(password) < least:
            msg = f"Take at least {least} characters; several words are easy to remember."
            raise ValidationError(msg, code="password_too_short")
        if len(password) > MAX_LENGTH:
            msg = f"Take at most {MAX_LENGTH:,} characters."
            raise ValidationError(msg, code="password_too_long")

    def get_help_text(self) -> str:
        """Say it beforehand."""
        return f"At least {ALONE} characters, {_WITH_SECOND_FACTOR} with a second factor."


class BlockListValidator:
    """Nothing that is tried first: common passwords, rows of characters, the person's own names."""

    def validate(self, password: str, user: Any = None) -> None:
        """Check it.

        Raises:
            ValidationError: It would be guessed.
        """
        text = "".join(password.casefold().split())
        if not text:
            raise ValidationError("Blanks alone are no password.", code="password_too_common")  # noqa: EM101
        unit = _unit(text)
        if {text, unit, _letters(text), _unit(_letters(text))} & _common() or _is_a_row(text):
            msg = "This is among the passwords that are tried first. Take other words."
            raise ValidationError(msg, code="password_too_common")
        if len(unit) < _WITH_SECOND_FACTOR:
            msg = "This repeats itself. Take more than one word."
            raise ValidationError(msg, code="password_too_common")
        rest = text
        for word in sorted(_words_about(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(rest) < _WITH_SECOND_FACTOR:
            msg = "Beside your name, your address and the product's name too little is left."
            raise ValidationError(msg, code="password_too_similar")

    def get_help_text(self) -> str:
        """Say it beforehand."""
        return "No common password, and more than your own name."
