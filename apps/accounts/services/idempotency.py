"""Doing once what a client asks for several times, because an answer was lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.exceptions import IdempotencyInProgressError, IdempotencyKeyReusedError
from apps.accounts.models import IdempotencyRecord

RETENTION = timedelta(hours=24)


@dataclass(frozen=True)
class IdempotentRequest:
    """A request that may come again.

    Attributes:
        principal_id: The person or key that sends it; keys of others never meet.
        key: The client's own name for it.
        request_hash: Of method, address and body.
    """

    organization_id: UUID
    principal_id: UUID
    key: str
    request_hash: str


def request_hash(method: str, path: str, body: Any) -> str:
    """Return what tells one request from another; the order of members does not.

    Keyed: a body may hold a password, which nobody shall guess from a copy of the table.
    """
    text = msgspec.json.encode([method, path, body], order="deterministic")
    return salted_hmac("urfmp.idempotency", text, algorithm="sha256").hexdigest()


def idempotency_claim(request: IdempotentRequest) -> IdempotencyRecord | None:
    """Claim a key until the transaction ends, or return the answer that was given to it before.

    The claim is an advisory lock: it vanishes with the transaction, whatever becomes of it, and
    the next holder sees what was committed.

    Raises:
        IdempotencyInProgressError: The same request is being carried out at this moment.
        IdempotencyKeyReusedError: The key was used for another request.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"idempotency:{request.principal_id}:{request.key}"],
        )
        (is_ours,) = cursor.fetchone()
    if not is_ours:
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


def idempotency_store(request: IdempotentRequest, *, status_code: int, answer: bytes) -> None:
    """Keep the answer to a request, in the transaction of what it did."""
    IdempotencyRecord.objects.create(
        organization_id=request.organization_id,
        principal_id=request.principal_id,
        key=request.key,
        request_hash=request.request_hash,
        status_code=status_code,
        answer=answer.decode(),
    )


def expired_idempotency_keys_delete() -> int:
    """Delete the open organization's answers that are older than a day; return how many."""
    rows = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - RETENTION)
    count: int = rows.delete()[0]
    return count
