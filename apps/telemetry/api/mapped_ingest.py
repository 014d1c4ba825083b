"""Ingest formats whose names the API key maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from django.http import HttpRequest

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.accounts.selectors.line_protocol_mapping import get_line_protocol_mapping
from apps.telemetry.api.foreign_robots import audit_foreign_robot
from apps.telemetry.api.key_recheck import invalidate_rejected_key, sending_api_key
from apps.telemetry.api.request_body import reserved_body
from apps.telemetry.exceptions import SendingApiKeyInvalidError
from apps.telemetry.protocols.points import DecodedBatch
from apps.telemetry.services.ingest.fair_share import fair_share
from apps.telemetry.services.telemetry import IngestResult, telemetry_ingest_in_parts
from urfmp.common.http.request_state import request_state

Batch = TypeVar("Batch", bound=DecodedBatch)


def ingest_mapped(
    request: HttpRequest, decode: Callable[[bytes, LineProtocolMapping], Batch]
) -> tuple[Batch, IngestResult]:
    """Read, decode and store the body of a request.

    Args:
        request: Request of an API key.
        decode: Function of the body and the key's mapping that returns the points. It is called
            in the organization's turn. Its exceptions are passed on.

    Returns:
        The decoded batch, and the result of its ingest.

    Raises:
        SendingApiKeyInvalidError: The API key is no longer valid.
        ApplicationError: The body was not read, or the server is overloaded.
    """
    principal = cast("ApiKeyPrincipal", request.user)
    organization_id = principal.organization_id
    try:
        with reserved_body(request, organization_id) as body:
            mapping = get_line_protocol_mapping(principal.key_id, organization_id)
            with fair_share.turn(organization_id):
                batch = decode(body, mapping)
            result = telemetry_ingest_in_parts(
                organization_id=organization_id,
                batch=batch,
                bound_robot_id=principal.robot_id,
                key=sending_api_key(principal),
            )
            request_state(request).is_key_verified = bool(batch.points)
    except SendingApiKeyInvalidError:
        invalidate_rejected_key(request)
        raise
    audit_foreign_robot(request, result)
    return batch, result
