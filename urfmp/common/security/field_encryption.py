"""Encryption of stored secrets that the product must read again.

AES-256-GCM encrypts each value with a random nonce. Its organization, row and field are
authenticated with it, so a value copied elsewhere cannot be decrypted. ENCRYPTION_KEYS has numbered
keys: the highest number encrypts, all of them decrypt. To rotate a key, add one, run
`manage.py rotate_encryption_keys` and remove the old one.

`encrypted_columns` has the kinds of columns that the command finds.
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
    """A stored secret cannot be decrypted.

    It was moved or changed, or its key is missing.
    """


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
    """Encrypt a secret for the row and field that will store it.

    Args:
        text: Secret.
        organization_id: Organization that owns the row.
        row_id: Row that stores the secret.
        field: Column, or the path inside one.
    """
    number = max(_keys())
    nonce = secrets.token_bytes(_NONCE_BYTES)
    context = _context(organization_id, row_id, field)
    encrypted = nonce + _cipher(_keys()[number]).encrypt(nonce, text.encode(), context)
    return f"{_VERSION}.{number}.{base64.urlsafe_b64encode(encrypted).decode()}"


def decrypt(encrypted: str, *, organization_id: UUID, row_id: UUID, field: str) -> str:
    """Return a secret that was encrypted for this row and field.

    Raises:
        DecryptionError: The value was encrypted for another row or field, was changed, or its key
            is missing from ENCRYPTION_KEYS.
    """
    try:
        version, number, text = encrypted.split(".")
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        key = _keys()[int(number)] if version == _VERSION else ""
        context = _context(organization_id, row_id, field)
        return _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context).decode()
    except KeyError as error:
        msg = f"The encryption key with the number {error} is not in ENCRYPTION_KEYS."
        raise DecryptionError(msg) from None
    except (ValueError, InvalidTag):
        msg = "A stored secret cannot be decrypted."
        raise DecryptionError(msg) from None


def is_encrypted_with_newest_key(encrypted: str) -> bool:
    """Return whether a value is encrypted with the newest key."""
    return encrypted.startswith(f"{_VERSION}.{max(_keys())}.")
