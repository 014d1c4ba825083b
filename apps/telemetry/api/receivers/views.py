"""Views of the receivers, like the one of line protocol."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import presented_token
from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.api.key_recheck import (
    reject_invalid_key,
)
from apps.telemetry.api.mapped_ingest import ingest_mapped
from apps.telemetry.api.receivers.base import Media, Receiver, Reply
from apps.telemetry.api.receivers.otlp import OtlpReceiver
from apps.telemetry.api.receivers.remote_write import RemoteWriteReceiver
from apps.telemetry.exceptions import BatchTooLargeError, SendingApiKeyInvalidError
from apps.telemetry.protocols.received_batch import ReceivedBatch
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import error_response, problem_response
from urfmp.common.http.view_policy import view_policy

# Messages of protobuf need many times the memory of their bytes.
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_PERMISSION = "telemetry.write_robottelemetry"


def _receiver_view(receiver: Receiver) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of a receiver, for API keys with `telemetry:write`."""

    def error_of(request: HttpRequest, status: int, detail: str) -> HttpResponse:
        return _response(receiver.error(_media(request), status, detail))

    @csrf_exempt
    @view_policy(manual_transactions=True, reverify_key_on_write=True, error_format=error_of)
    def view(request: HttpRequest) -> HttpResponse:
        response = _handle(receiver, request)
        if reject_invalid_key(request, response, presented_token(request), success=200):
            return error_response(SendingApiKeyInvalidError())
        return response

    return view


def _handle(receiver: Receiver, request: HttpRequest) -> HttpResponse:
    if response := _check_request(request):
        return response
    media = _media(request)

    def decode(body: bytes, mapping: LineProtocolMapping) -> ReceivedBatch:
        if len(body) > _MAX_MESSAGE_BYTES:
            msg = "A message must be at most 4 MB. Send smaller batches."
            raise BatchTooLargeError(msg)
        return receiver.decode(body, media, mapping)

    try:
        receiver.check(media)
        batch, result = ingest_mapped(request, decode)
    except ApplicationError as error:
        return error_response(error)
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
