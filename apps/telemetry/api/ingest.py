"""The way in for telemetry. A plain view: no serializer stands between a point and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.middleware import presented_key
from apps.telemetry.api.bodies import read_body
from apps.telemetry.api.refusals import note_foreign_robots
from apps.telemetry.points import decode_batch, decode_ndjson
from apps.telemetry.services import telemetry_ingest
from urfmp.common.exceptions import ApplicationError
from urfmp.common.problems import problem_response
from urfmp.common.transactions import manages_transactions

if TYPE_CHECKING:
    from urfmp.common.tenancy import Actor

_DECODERS = {"application/json": decode_batch, "application/x-ndjson": decode_ndjson}


@csrf_exempt
@manages_transactions
def ingest(request: HttpRequest) -> HttpResponse:
    """Take a batch of points from a key with the scope `telemetry:write`, or an admin's token.

    200 means committed; the body tells how many points were new, how many were there already,
    and which were refused. 422 when not one was good.
    """
    if refusal := _refusal(request):
        return refusal
    principal: Any = request.user
    try:
        decode = _DECODERS[cast("str", request.content_type)]
        batch = decode(read_body(request), max_points=settings.TELEMETRY_MAX_POINTS)
    except ApplicationError as error:
        return problem_response(int(error.status), error.code, error.message)
    result = telemetry_ingest(
        organization_id=principal.organization_id,
        actor=cast("Actor", request.actor),  # type: ignore[attr-defined]
        batch=batch,
        own_robot_id=principal.robot_id,
    )
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
        response = problem_response(
            401,
            "not_authenticated",
            "Send a valid API key or access token in Authorization: Bearer.",
        )
        response["WWW-Authenticate"] = 'Bearer realm="urfmp"'
        return response
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
