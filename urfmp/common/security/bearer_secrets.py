"""Generate, check and hash random bearer secrets."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECKSUM_LENGTH = 6


def hash_token(token: str) -> str:
    """Return the hexadecimal SHA-256 of a random token, which the database stores."""
    return hashlib.sha256(token.encode()).hexdigest()


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits = _ALPHABET[rest] + digits
    return digits


def random_text(length: int) -> str:
    """Return random letters and digits, nearly 6 bits each."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def checksum(text: str) -> str:
    """Return a checksum of a token.

    It lets a mistyped token be rejected without a query.
    """
    return _base62(zlib.crc32(text.encode()), CHECKSUM_LENGTH)
