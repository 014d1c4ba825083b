"""Execute a repeated request once and return its stored response."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid5

import msgspec
from django.db import connection
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.exceptions import IdempotencyInProgressError, IdempotencyKeyReusedError
from apps.accounts.models import IdempotencyRecord

RETENTION = timedelta(hours=24)


@dataclass(frozen=True)
class IdempotentRequest:
    """Request with an idempotency key.

    Attributes:
        principal_id: User or API key that sends it; each has its own idempotency keys.
        key: Idempotency key that the client has chosen.
        request_hash: Hash of method, path and body.
    """

    organization_id: UUID
    principal_id: UUID
    key: str
    request_hash: str


def request_hash(method: str, path: str, body: Any) -> str:
    """Return a hash of the request.

    The order of JSON members does not matter. The hash is keyed: a body may contain a password,
    which a copy of the table must not reveal.
    """
    text = msgspec.json.encode([method, path, body], order="deterministic")
    return salted_hmac("urfmp.idempotency", text, algorithm="sha256").hexdigest()


def idempotency_principal_id(principal: Any) -> UUID:
    """Return the id under which the principal's responses are stored.

    A super admin has a different id in each organization.
    """
    if getattr(principal, "home_organization_id", None) is None:
        return cast("UUID", principal.pk)
    return uuid5(principal.organization_id, str(principal.pk))


def idempotency_claim(
    request: IdempotentRequest, *, wait: bool = False
) -> IdempotencyRecord | None:
    """Claim an idempotency key, or return the response stored for it.

    The claim is an advisory lock until the end of the transaction. The next request that acquires
    it sees what was committed.

    Args:
        request: Request with its key.
        wait: Whether to wait for the same request while it is being processed.

    Raises:
        IdempotencyInProgressError: The same request is still being processed.
        IdempotencyKeyReusedError: The key was used for another request.
    """
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(hashtextextended(%s, 0))",
            [f"idempotency:{request.principal_id}:{request.key}"],
        )
        is_claimed = wait or cursor.fetchone()[0]
    if not is_claimed:
        raise IdempotencyInProgressError
    rows = IdempotencyRecord.objects.filter(principal_id=request.principal_id, key=request.key)
    found: IdempotencyRecord | None = rows.first()
    if found is None:
        return None
    if timezone.now() - found.created_at >= RETENTION:
        rows.delete()
        return None
    if found.request_hash != request.request_hash:
        raise IdempotencyKeyReusedError
    return found


def idempotency_store(request: IdempotentRequest, *, status_code: int, body: bytes) -> None:
    """Store the response in the transaction of the request's changes."""
    IdempotencyRecord.objects.create(
        organization_id=request.organization_id,
        principal_id=request.principal_id,
        key=request.key,
        request_hash=request.request_hash,
        status_code=status_code,
        answer=body.decode(),
    )


def expired_idempotency_keys_delete() -> int:
    """Delete the open organization's responses older than a day; return the number."""
    rows = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - RETENTION)
    count: int = rows.delete()[0]
    return count
