"""Views of the receivers, like the one of line protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import presented_token
from apps.accounts.selectors.line_protocol_mapping import get_line_protocol_mapping
from apps.telemetry.api.foreign_robots import audit_foreign_robot
from apps.telemetry.api.key_recheck import (
    invalidate_rejected_key,
    reject_invalid_key,
    sending_api_key,
)
from apps.telemetry.api.receivers.base import Media, Receiver, Reply
from apps.telemetry.api.receivers.otlp import OtlpReceiver
from apps.telemetry.api.receivers.remote_write import RemoteWriteReceiver
from apps.telemetry.api.request_body import reserved_body
from apps.telemetry.exceptions import BatchTooLargeError, SendingApiKeyInvalidError
from apps.telemetry.services.ingest.fair_share import fair_share
from apps.telemetry.services.telemetry import telemetry_ingest_in_parts
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import error_response, problem_response
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy

# Messages of protobuf need many times the memory of their bytes.
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_PERMISSION = "telemetry.write_robottelemetry"


def _receiver_view(receiver: Receiver) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of a receiver, for API keys with `telemetry:write`."""

    def converted(response: HttpResponseBase, request: HttpRequest) -> HttpResponse:
        detail = json.loads(cast("HttpResponse", response).content)["detail"]
        answer = _response(receiver.error(_media(request), response.status_code, detail))
        for name, value in response.items():
            answer.headers.setdefault(name, value)
        return answer

    @csrf_exempt
    @view_policy(manual_transactions=True, reverify_key_on_write=True, error_format=converted)
    def view(request: HttpRequest) -> HttpResponse:
        response = _handle(receiver, request)
        if reject_invalid_key(request, response, presented_token(request), success=200):
            return error_response(SendingApiKeyInvalidError())
        return response

    return view


def _handle(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    if response := _check_request(request):
        return response
    principal = cast("ApiKeyPrincipal", request.user)
    media = _media(request)
    try:
        receiver.check(media)
        with reserved_body(request, principal.organization_id) as body:
            if len(body) > _MAX_MESSAGE_BYTES:
                msg = "A message must be at most 4 MB. Send smaller batches."
                raise BatchTooLargeError(msg)
            mapping = get_line_protocol_mapping(principal.key_id, principal.organization_id)
            with fair_share.turn(principal.organization_id):
                batch = receiver.decode(body, media, mapping)
            result = telemetry_ingest_in_parts(
                organization_id=principal.organization_id,
                batch=batch,
                bound_robot_id=principal.robot_id,
                key=sending_api_key(principal),
            )
            request_state(request).is_key_verified = bool(batch.points)
    except SendingApiKeyInvalidError as error:
        invalidate_rejected_key(request)
        return error_response(error)
    except ApplicationError as error:
        return error_response(error)
    audit_foreign_robot(request, result)
    return _response(receiver.reply(media, batch, result))


def _check_request(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        response = problem_response(405, "method_not_allowed", "Use POST to send metrics.")
        response["Allow"] = "POST"
        return response
    principal: Any = request.user
    if not isinstance(principal, ApiKeyPrincipal):
        detail = "Send a valid API key in Authorization: Bearer."
        return problem_response(HTTPStatus.UNAUTHORIZED, "not_authenticated", detail)
    if not principal.has_perm(_PERMISSION):
        detail = principal.denial_text(_PERMISSION)
        return problem_response(HTTPStatus.FORBIDDEN, "permission_denied", detail)
    return None


def _media(request: HttpRequest) -> Media:
    return Media.parse(request.headers.get("Content-Type", ""))


def _response(reply: Reply) -> HttpResponse:
    response = HttpResponse(reply.body, status=reply.status)
    del response["Content-Type"]
    for name, value in reply.headers.items():
        response[name] = value
    return response


remote_write = _receiver_view(RemoteWriteReceiver())
otlp_metrics = _receiver_view(OtlpReceiver())
