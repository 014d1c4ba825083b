"""Generate, derive, check and hash bearer secrets."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

from django.utils.crypto import salted_hmac

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECKSUM_LENGTH = 6
DERIVED_LENGTH = 43  # 62**43 is above 2**256


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


def derived_text(purpose: str, value: str) -> str:
    """Return 43 letters and digits derived from a value.

    The same arguments give the same text, 256 bits of it, which cannot be computed without
    `SECRET_KEY`.

    Args:
        purpose: Separates texts that are derived from the same value.
        value: Value that the server does not store, so that its database is not enough either.
    """
    digest = salted_hmac(purpose, value, algorithm="sha256").digest()
    return _base62(int.from_bytes(digest, "big"), DERIVED_LENGTH)


def checksum(text: str) -> str:
    """Return a checksum of a token.

    It lets a mistyped token be rejected without a query.
    """
    return _base62(zlib.crc32(text.encode()), CHECKSUM_LENGTH)
