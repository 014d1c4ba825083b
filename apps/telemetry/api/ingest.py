"""The way in for telemetry. A plain view: no serializer stands between a point and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.middleware import presented_key
from apps.telemetry.points import MalformedBatchError, TooManyPointsError, decode_batch
from apps.telemetry.services import telemetry_ingest
from urfmp.common.problems import problem_response
from urfmp.common.transactions import manages_transactions

if TYPE_CHECKING:
    from urfmp.common.tenancy import Actor

_CHUNK_BYTES = 64 * 1024


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
        body = request.body
        batch = decode_batch(body, max_points=settings.TELEMETRY_MAX_POINTS)
    except RequestDataTooBig:
        return _too_large(request)
    except (MalformedBatchError, TooManyPointsError) as error:
        return problem_response(int(error.status), error.code, error.message)
    result = telemetry_ingest(
        organization_id=principal.organization_id,
        actor=cast("Actor", request.actor),  # type: ignore[attr-defined]
        batch=batch,
        own_robot_id=principal.robot_id,
    )
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
    if request.content_type != "application/json":
        return problem_response(
            415, "unsupported_media_type", "Send the batch as application/json."
        )
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.TELEMETRY_MAX_BODY_BYTES:
        return _too_large(request)
    return None


def _too_large(request: HttpRequest) -> HttpResponse:
    """Read what is still coming, within reason, so that the sender gets to the answer."""
    for _ in range(4 * settings.TELEMETRY_MAX_BODY_BYTES // _CHUNK_BYTES):
        if not request.read(_CHUNK_BYTES):
            break
    megabytes = settings.TELEMETRY_MAX_BODY_BYTES // (1024 * 1024)
    return problem_response(
        413, "too_large", f"A batch is at most {megabytes} MB; send it in smaller parts."
    )
