"""Headers, signatures and body of webhooks, as in Standard Webhooks.

The signature is HMAC-SHA256 over `id.timestamp.body`. During a rotation the header has a signature
of each secret. Receivers compare one of them in constant time, reject old timestamps, and ignore
ids that they have processed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret
_SECRET_BYTES = 32


def generate_secret() -> str:
    """Return a new signing secret: 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, delivery_id: UUID, timestamp: int, body: bytes) -> str:
    """Return the signature of a body, with its version.

    Args:
        secret: Signing secret with its prefix.
        delivery_id: Id of the delivery, the same in each attempt.
        timestamp: Time of the attempt in seconds since 1970.
        body: Body as it is sent.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    content = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def webhook_headers(
    signing_secrets: Iterable[str], delivery_id: UUID, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the headers of a request.

    Args:
        signing_secrets: Valid secrets, the newest first.
        delivery_id: Id of the delivery, the same in each attempt.
        timestamp: Time of the attempt in seconds since 1970.
        body: Body as it is sent.
    """
    signatures = (sign(secret, delivery_id, timestamp, body) for secret in signing_secrets)
    return {
        "content-type": "application/json",
        "user-agent": "URFMP-Webhooks/1",
        "webhook-id": str(delivery_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def webhook_body(notice: str, time: datetime, data: dict[str, Any]) -> bytes:
    """Return the JSON body of a notice.

    Args:
        notice: One of `Notice`.
        time: Time of the notice.
        data: Fields of the alert, few enough that receivers read the rest through the API.
    """
    content = {"type": f"alert.{notice}", "timestamp": time.isoformat(), "data": data}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
