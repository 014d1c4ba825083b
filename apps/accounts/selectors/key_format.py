"""The format of API keys: `urfmp_live_<id>_<secret><checksum>`."""

from __future__ import annotations

import secrets

from urfmp.common.security.bearer_secrets import CHECKSUM_LENGTH, checksum, random_text

_KEY_START = "urfmp_live_"
_ID_LENGTH = 10
_SECRET_LENGTH = 32


def generate_key() -> str:
    """Return a new API key: a start to recognise it by, 190 bits of chance, and a checksum."""
    length = _ID_LENGTH + 1 + _SECRET_LENGTH
    chance = random_text(length - 1)
    text = f"{_KEY_START}{chance[:_ID_LENGTH]}_{chance[_ID_LENGTH:]}"
    return text + checksum(text)


def key_prefix(key: str) -> str:
    """Return the part of a key that may be shown, to tell keys apart."""
    return key[len(_KEY_START) : len(_KEY_START) + _ID_LENGTH]


def key_is_well_formed(key: str) -> bool:
    """Tell whether a key's checksum fits, which needs no query."""
    text, given = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    length = len(_KEY_START) + _ID_LENGTH + 1 + _SECRET_LENGTH
    return (
        key.isascii()
        and key.startswith(_KEY_START)
        and len(text) == length
        and secrets.compare_digest(checksum(text), given)
    )
