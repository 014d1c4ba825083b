"""The way in for telemetry. A plain view: no serializer stands between a point and the database."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.requests import presented_key
from apps.accounts.middleware.principal import confirms_key
from apps.telemetry.api.foreign_robots import note_foreign_robots
from apps.telemetry.api.key_recheck import is_of_ended_key, note_ended_key, sending_key
from apps.telemetry.api.request_body import admitted_body
from apps.telemetry.exceptions import BusyError, KeyEndedError
from apps.telemetry.protocols.json import decode_batch, decode_ndjson
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import BEARER, problem_response
from urfmp.common.http.view_flags import manages_transactions

_DECODERS = {"application/json": decode_batch, "application/x-ndjson": decode_ndjson}


@csrf_exempt
@manages_transactions
@confirms_key
def ingest(request: HttpRequest) -> HttpResponse:
    """Take a batch of points from a key with the scope `telemetry:write`, or an admin's token.

    200 means committed; the body tells how many points were new, how many were there already,
    and which were refused. 422 when not one was good.
    """
    response = _answer(request)
    if is_of_ended_key(request, response, presented_key(request)):
        return _not_authenticated(KeyEndedError().message)
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    if refusal := _refusal(request):
        return refusal
    principal: Any = request.user
    try:
        with admitted_body(request, principal.organization_id) as body:
            decode = _DECODERS[cast("str", request.content_type)]
            result = telemetry_ingest(
                organization_id=principal.organization_id,
                read=partial(decode, body, max_points=settings.TELEMETRY_MAX_POINTS),
                own_robot_id=principal.robot_id,
                key=sending_key(principal),
            )
    except KeyEndedError as error:
        note_ended_key(request)
        return _not_authenticated(error.message)
    except ApplicationError as error:
        response = problem_response(int(error.status), error.code, error.message)
        if isinstance(error, BusyError):
            response["Retry-After"] = str(error.retry_after)
        return response
    note_foreign_robots(request, result)
    if result.rejected and not (result.accepted or result.duplicate):
        return problem_response(
            422,
            "nothing_stored",
            "Not one point of the batch could be stored.",
            accepted=0,
            duplicate=0,
            rejected=result.rejected,
        )
    return HttpResponse(msgspec.json.encode(result), content_type="application/json")


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        response = problem_response(405, "method_not_allowed", "Send points with POST.")
        response["Allow"] = "POST"
        return response
    principal: Any = request.user
    # A browser's session does not count here: nothing would protect it from foreign pages.
    if presented_key(request) is None or not principal.is_authenticated:
        return _not_authenticated("Send a valid API key or access token in Authorization: Bearer.")
    if not principal.has_perm("telemetry.write_robottelemetry"):
        return problem_response(
            403, "permission_denied", "This key does not have the scope telemetry:write."
        )
    if request.content_type not in _DECODERS:
        return problem_response(
            415,
            "unsupported_media_type",
            "Send the batch as application/json, or one point a line as application/x-ndjson.",
        )
    return None


def _not_authenticated(detail: str) -> HttpResponse:
    response = problem_response(401, "not_authenticated", detail)
    response["WWW-Authenticate"] = BEARER
    return response
