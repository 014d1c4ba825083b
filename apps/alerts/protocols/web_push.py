"""Encrypt and authenticate push messages.

By RFC 8291, RFC 8188 and RFC 8292.

The push service of the browser's vendor carries the message and cannot read it: only the browser
has the private key.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUTH_SECRET_BYTES = 16
_SALT_BYTES = 16
_RECORD_BYTES = 4096
# Push services accept 4,096 bytes. Header, padding delimiter and authentication tag are 103 bytes.
MAX_MESSAGE_BYTES = 3_993
# A push service keeps a message for a browser that is offline for this long.
TTL_SECONDS = 24 * 3600
_TOKEN_SECONDS = 12 * 3600
_CURVE = ec.SECP256R1()
_SCALAR_BYTES = 32


def to_base64url(data: bytes) -> str:
    """Encode bytes without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode base64url, with or without padding.

    Raises:
        ValueError: The text is something else.
    """
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)


def private_key_from(text: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a scalar in base64url."""
    return ec.derive_private_key(int.from_bytes(from_base64url(text), "big"), _CURVE)


@dataclass(frozen=True)
class KeyPair:
    """Keys that identify this installation to push services, in base64url.

    Attributes:
        private: Scalar of 32 bytes.
        public: Uncompressed point of 65 bytes; browsers get it when they subscribe.
    """

    private: str
    public: str


def generate_key_pair() -> KeyPair:
    """Return new keys."""
    key = ec.generate_private_key(_CURVE)
    scalar = key.private_numbers().private_value.to_bytes(_SCALAR_BYTES, "big")
    return KeyPair(to_base64url(scalar), to_base64url(_point(key.public_key())))


def is_browser_key(text: str) -> bool:
    """Return whether a text is a point on the curve."""
    try:
        _public_key(from_base64url(text))
    except ValueError:
        return False
    return True


def is_auth_secret(text: str) -> bool:
    """Return whether a text is a browser's authentication secret."""
    try:
        return len(from_base64url(text)) == AUTH_SECRET_BYTES
    except ValueError:
        return False


def encrypt_message(
    message: bytes,
    *,
    browser_key: str,
    auth_secret: str,
    salt: bytes | None = None,
    own_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Encrypt a message for a browser, in the content coding `aes128gcm`.

    Args:
        message: At most `MAX_MESSAGE_BYTES`.
        browser_key: Public key of the browser.
        auth_secret: Authentication secret of the browser.
        salt: Salt of 16 bytes; random by default.
        own_key: Key for this message alone; a new one by default.

    Raises:
        ValueError: The message is too long, or a key is invalid.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        error = f"The message has more than {MAX_MESSAGE_BYTES} bytes."
        raise ValueError(error)
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    own_key = own_key or ec.generate_private_key(_CURVE)
    receiver = _public_key(from_base64url(browser_key))
    own_point = _point(own_key.public_key())
    # RFC 8291, section 3.4
    shared = own_key.exchange(ec.ECDH(), receiver)
    info = b"WebPush: info\x00" + _point(receiver) + own_point
    input_key = _hkdf(shared, from_base64url(auth_secret), info, 32)
    # RFC 8188, sections 2.1 to 2.3; the only record is the last one and ends with 2.
    key = _hkdf(input_key, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(input_key, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(own_point)]) + own_point
    return header + AESGCM(key).encrypt(nonce, message + b"\x02", None)


def _hkdf(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)


def push_headers(
    keys: KeyPair, *, url: str, contact: str, message_id: UUID, is_urgent: bool, timestamp: int
) -> dict[str, str]:
    """Return the headers of a request to a push service.

    Args:
        keys: Keys that the browser subscribed with.
        url: Endpoint of the subscription.
        contact: `mailto:` or `https:` address of the operator.
        message_id: Id that is the same in all attempts; the service keeps the latest of them only.
        is_urgent: Whether the message may wake a device that saves power.
        timestamp: Time of the request in seconds since 1970.
    """
    return {
        "Authorization": f"vapid t={_token(keys, url, contact, timestamp)}, k={keys.public}",
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL_SECONDS),
        "Topic": to_base64url(message_id.bytes),
        "Urgency": "high" if is_urgent else "normal",
    }


def _token(keys: KeyPair, url: str, contact: str, timestamp: int) -> str:
    """Return the signed token for the origin of an endpoint."""
    parts = urlsplit(url)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": timestamp + _TOKEN_SECONDS,
        "sub": contact,
    }
    signed = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
    signature = private_key_from(keys.private).sign(signed.encode(), ec.ECDSA(SHA256()))
    numbers = decode_dss_signature(signature)
    raw = b"".join(number.to_bytes(_SCALAR_BYTES, "big") for number in numbers)
    return f"{signed}.{to_base64url(raw)}"


def _json(value: dict[str, Any]) -> str:
    return to_base64url(json.dumps(value, separators=(",", ":")).encode())
