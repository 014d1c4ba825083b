"""Secrets that the product has to read again, encrypted where they are stored.

AES-256-GCM, a random nonce for each value. What a value belongs to (organization, row, field) is
authenticated along with it: copied into another row or another field it does not open. Keys come
from ENCRYPTION_KEYS, numbered; the highest number seals, all of them open, so that a key is rotated
by adding one, running `manage.py rotate_encryption_keys`, and taking the old one out.

A model names its sealed columns in `encrypted_fields`; the command finds them by that.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from functools import cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_VERSION = "v1"
_NONCE_BYTES = 12


class DecryptionError(RuntimeError):
    """A sealed value does not open: it was moved or changed, or its key is gone."""


@cache
def _cipher(text: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"urfmp.secretbox.v1")
    return AESGCM(derive.derive(text.encode()))


def _keys() -> Mapping[int, str]:
    keys: Mapping[int, str] = settings.ENCRYPTION_KEYS
    return keys


def _context(organization_id: UUID, row_id: UUID, field: str) -> bytes:
    return f"{_VERSION}|{organization_id}|{row_id}|{field}".encode()


def encrypt(text: str, *, organization_id: UUID, row_id: UUID, field: str) -> str:
    """Encrypt a secret for the one place where it will be stored.

    Args:
        text: The secret.
        organization_id: Whose row it is.
        row_id: The row.
        field: The column, or the path inside one.
    """
    number = max(_keys())
    nonce = secrets.token_bytes(_NONCE_BYTES)
    context = _context(organization_id, row_id, field)
    sealed = nonce + _cipher(_keys()[number]).encrypt(nonce, text.encode(), context)
    return f"{_VERSION}.{number}.{base64.urlsafe_b64encode(sealed).decode()}"


def decrypt(sealed: str, *, organization_id: UUID, row_id: UUID, field: str) -> str:
    """Return a secret that was sealed for this place.

    Raises:
        SecretUnreadableError: It was sealed for another one, was changed, or its key is not among
            ENCRYPTION_KEYS.
    """
    try:
        version, number, text = sealed.split(".")
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        key = _keys()[int(number)] if version == _VERSION else ""
        context = _context(organization_id, row_id, field)
        return _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context).decode()
    except KeyError as error:
        msg = f"The encryption key with the number {error} is not in ENCRYPTION_KEYS."
        raise DecryptionError(msg) from None
    except (ValueError, InvalidTag):
        msg = "A sealed value does not open."
        raise DecryptionError(msg) from None


def is_encrypted_with_newest_key(sealed: str) -> bool:
    """Tell whether a value needs no new sealing after a key was added."""
    return sealed.startswith(f"{_VERSION}.{max(_keys())}.")
