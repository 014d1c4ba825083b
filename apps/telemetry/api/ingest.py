"""The ingest endpoint, a plain Django view: serializers would slow it down."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.requests import presented_token
from apps.telemetry.api.foreign_robots import audit_foreign_robot
from apps.telemetry.api.key_recheck import (
    invalidate_rejected_key,
    reject_invalid_key,
    sending_api_key,
)
from apps.telemetry.api.request_body import reserved_body
from apps.telemetry.exceptions import SendingApiKeyInvalidError
from apps.telemetry.protocols.json import decode_json, decode_ndjson
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import error_response, problem_response
from urfmp.common.http.view_policy import view_policy

_DECODERS = {"application/json": decode_json, "application/x-ndjson": decode_ndjson}


@csrf_exempt
@view_policy(manual_transactions=True, reverify_key_on_write=True)
def ingest(request: HttpRequest) -> HttpResponse:
    """Store a batch of points.

    Requires an API key with the scope `telemetry:write`, or an admin's access token. 200 means
    committed. The body has the number of new points and duplicates, and the rejected points. 422
    if every point was rejected.
    """
    response = _handle_ingest(request)
    if reject_invalid_key(request, response, presented_token(request)):
        return _not_authenticated(SendingApiKeyInvalidError().message)
    return response


def _handle_ingest(request: HttpRequest) -> HttpResponse:
    if response := _check_request(request):
        return response
    principal: Any = request.user
    try:
        with reserved_body(request, principal.organization_id) as body:
            decode = _DECODERS[cast("str", request.content_type)]
            result = telemetry_ingest(
                organization_id=principal.organization_id,
                decode=partial(decode, body, max_points=settings.TELEMETRY_MAX_POINTS),
                bound_robot_id=principal.robot_id,
                key=sending_api_key(principal),
            )
    except SendingApiKeyInvalidError as error:
        invalidate_rejected_key(request)
        return _not_authenticated(error.message)
    except ApplicationError as error:
        return error_response(error)
    audit_foreign_robot(request, result)
    if result.rejected and not (result.accepted or result.duplicate):
        return problem_response(
            422,
            "nothing_stored",
            "None of the points could be stored.",
            accepted=0,
            duplicate=0,
            rejected=result.rejected,
        )
    return HttpResponse(msgspec.json.encode(result), content_type="application/json")


def _check_request(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        response = problem_response(405, "method_not_allowed", "Use POST to send points.")
        response["Allow"] = "POST"
        return response
    principal: Any = request.user
    # Browser sessions are not accepted: this view has no CSRF protection.
    if presented_token(request) is None or not principal.is_authenticated:
        return _not_authenticated("Send a valid API key or access token in Authorization: Bearer.")
    if not principal.has_perm("telemetry.write_robottelemetry"):
        detail = principal.denial_text("telemetry.write_robottelemetry")
        return problem_response(403, "permission_denied", detail)
    if request.content_type not in _DECODERS:
        return problem_response(
            415,
            "unsupported_media_type",
            "Send the batch as application/json, or one point per line as application/x-ndjson.",
        )
    return None


def _not_authenticated(detail: str) -> HttpResponse:
    return problem_response(401, "not_authenticated", detail)
