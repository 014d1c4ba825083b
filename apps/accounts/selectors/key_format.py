"""The format of API keys: `urfmp_live_<id>_<secret><checksum>`."""

from __future__ import annotations

import secrets

from urfmp.common.security.bearer_secrets import CHECKSUM_LENGTH, checksum, random_text

_KEY_PREFIX = "urfmp_live_"
_ID_LENGTH = 10
_SECRET_LENGTH = 32


def generate_key() -> str:
    """Return a new API key: prefix, id, 190 random bits and checksum."""
    length = _ID_LENGTH + 1 + _SECRET_LENGTH
    random_part = random_text(length - 1)
    text = f"{_KEY_PREFIX}{random_part[:_ID_LENGTH]}_{random_part[_ID_LENGTH:]}"
    return text + checksum(text)


def key_prefix(key: str) -> str:
    """Return the public id of a key, by which users recognise it."""
    return key[len(_KEY_PREFIX) : len(_KEY_PREFIX) + _ID_LENGTH]


def is_well_formed_key(key: str) -> bool:
    """Return whether a key's format and checksum are right, without a query."""
    text, received_checksum = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    length = len(_KEY_PREFIX) + _ID_LENGTH + 1 + _SECRET_LENGTH
    return (
        key.isascii()
        and key.startswith(_KEY_PREFIX)
        and len(text) == length
        and secrets.compare_digest(checksum(text), received_checksum)
    )
