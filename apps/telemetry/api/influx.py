"""The addresses at which clients of InfluxDB write: line protocol in, its form of errors out."""

from __future__ import annotations

import base64
import binascii
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.principals import KeyPrincipal
from apps.accounts.auth.requests import presented_key
from apps.accounts.selectors.line_protocol_mapping import get_line_protocol_mapping
from apps.telemetry.api.foreign_robots import audit_foreign_robot
from apps.telemetry.api.key_recheck import invalidate_rejected_key, response_needs_401, writing_key
from apps.telemetry.api.request_body import reserved_body
from apps.telemetry.exceptions import WritingKeyInvalidError
from apps.telemetry.protocols.influx.points import LineProtocolBatch, decode_line_protocol
from apps.telemetry.protocols.points import DecodedBatch
from apps.telemetry.services.telemetry import IngestResult, telemetry_ingest
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.health import healthz
from urfmp.common.http.problem_details import error_headers
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy

_PRECISIONS_V2 = {"": "ns", "ns": "ns", "us": "us", "ms": "ms", "s": "s"}
_PRECISIONS_V1 = {**_PRECISIONS_V2, "n": "ns", "u": "us", "µ": "us", "m": "m", "h": "h"}
_ERROR_CODES = {
    400: "invalid",
    413: "request too large",
    415: "unsupported media type",
    429: "too many requests",
    503: "unavailable",
}
# A line carries several values; a client's batch of lines has to fit in one request.
_MAX_VALUES_PER_LINE = 10
# The version whose way of writing is spoken here.
_VERSION = "2.7.0-urfmp"
_MAX_REJECTIONS_IN_MESSAGE, _MAX_REJECTIONS_LISTED = 3, 1_000


def influx_key(request: HttpRequest) -> str | None:
    """Return the API key wherever a client of InfluxDB puts its token or its password.

    That is `Authorization: Token`, also with a user's name before it, HTTP Basic, or the
    parameter `p`.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "token":
        return value.strip().rpartition(":")[2]
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    key = presented_key(request)
    return request.GET.get("p") if key is None else key


@csrf_exempt
@view_policy(manual_transactions=True, reverify_key_on_write=True, api_key_reader=influx_key)
def write_v2(request: HttpRequest) -> HttpResponse:
    """Store line protocol as the second InfluxDB takes it; 204 means committed, all of it."""
    return _write(request, _PRECISIONS_V2)


@csrf_exempt
@view_policy(manual_transactions=True, reverify_key_on_write=True, api_key_reader=influx_key)
def write_v1(request: HttpRequest) -> HttpResponse:
    """Store line protocol as the first InfluxDB takes it; 204 means committed, all of it."""
    return _write(request, _PRECISIONS_V1)


@csrf_exempt
@view_policy(public=True)
def ping(request: HttpRequest) -> HttpResponse:
    """Say that somebody is here, as clients of every InfluxDB ask before they write."""
    if request.method not in {"GET", "HEAD"}:
        return _method_not_allowed()
    return _with_version_headers(HttpResponse(status=204))


@csrf_exempt
@view_policy(public=True)
def health(request: HttpRequest) -> HttpResponse:
    """Answer the second InfluxDB's question whether the server can write: 503 when it cannot."""
    if request.method not in {"GET", "HEAD"}:
        return _method_not_allowed()
    is_up = healthz(request).status_code == HTTPStatus.OK
    body: dict[str, Any] = {
        "name": "urfmp",
        "message": "ready for writes" if is_up else "the database is away",
        "status": "pass" if is_up else "fail",
        "checks": [],
        "version": _VERSION,
        "commit": "",
    }
    response = HttpResponse(msgspec.json.encode(body), content_type="application/json")
    response.status_code = 200 if is_up else 503
    return _with_version_headers(response)


@csrf_exempt
@view_policy(public=True)
def query(request: HttpRequest) -> HttpResponse:
    """Refuse to be read through InfluxDB's query languages, and say where reading is done."""
    message = "Queries are not supported; read at /api/v1/robots/{id}/telemetry/series."
    return _with_version_headers(_error(501, "not implemented", message))


def _method_not_allowed() -> HttpResponse:
    response = _error(405, "method not allowed", "Ask with GET or HEAD.")
    response["Allow"] = "GET, HEAD"
    return response


def _with_version_headers(response: HttpResponse) -> HttpResponse:
    """Add the headers by which clients tell the version that they talk to."""
    response["X-Influxdb-Version"] = _VERSION
    response["X-Influxdb-Build"] = "URFMP"
    return response


def _write(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    response = _handle_write(request, precisions)
    if response_needs_401(request, response, influx_key(request)):
        return _unauthorized(WritingKeyInvalidError().message)
    return response


def _handle_write(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    if refusal := _check_request(request):
        return refusal
    precision = precisions.get(request.GET.get("precision", ""))
    if precision is None:
        known = ", ".join(filter(None, precisions))
        return _error(400, "invalid", f"There is no such precision; send one of {known}.")
    principal = cast("KeyPrincipal", request.user)
    try:
        with reserved_body(request, principal.organization_id) as body:
            batch = decode_line_protocol(
                body,
                timezone.now(),
                precision=precision,
                max_lines=settings.TELEMETRY_MAX_POINTS,
                max_values=settings.TELEMETRY_MAX_POINTS * _MAX_VALUES_PER_LINE,
                mapping=get_line_protocol_mapping(principal.key_id, principal.organization_id),
            )
            result = _ingest_in_parts(principal, batch)
            request_state(request).is_key_verified = bool(batch.points)
    except WritingKeyInvalidError as error:
        invalidate_rejected_key(request)
        return _unauthorized(error.message)
    except ApplicationError as error:
        headers = error_headers(error.status, error.retry_after)
        return _error(error.status, _ERROR_CODES[error.status], error.message, headers)
    audit_foreign_robot(request, result)
    return _partial_write(batch, result) if result.rejected else HttpResponse(status=204)


def _check_request(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        response = _error(405, "method not allowed", "Write points with POST.")
        response["Allow"] = "POST"
        return response
    principal: Any = request.user
    if not isinstance(principal, KeyPrincipal):
        return _unauthorized("Send a valid API key in Authorization: Token.")
    if not principal.has_perm("telemetry.write_robottelemetry"):
        return _error(403, "forbidden", "This key does not have the scope telemetry:write.")
    return None


def _unauthorized(message: str) -> HttpResponse:
    headers = error_headers(401, authenticate='Token realm="urfmp"')
    return _error(401, "unauthorized", message, headers)


def _ingest_in_parts(principal: KeyPrincipal, batch: LineProtocolBatch) -> IngestResult:
    """Store as many points at a time as a batch may hold, each part in its own transaction.

    A part that fails leaves those before it stored; the client sends the whole again, and they
    count as duplicates then.
    """
    total = IngestResult(0, 0, list(batch.rejected))
    size = settings.TELEMETRY_MAX_POINTS
    for start in range(0, len(batch.points), size):
        result = telemetry_ingest(
            organization_id=principal.organization_id,
            decode=partial(DecodedBatch, batch.points[start : start + size]),
            bound_robot_id=principal.robot_id,
            key=writing_key(principal),
        )
        total.accepted += result.accepted
        total.duplicate += result.duplicate
        total.rejected += result.rejected
    total.rejected.sort(key=lambda rejection: rejection.index)
    return total


def _partial_write(batch: LineProtocolBatch, result: IngestResult) -> HttpResponse:
    """Answer as InfluxDB does when some points were dropped; clients do not send them again."""
    rejected = [
        {
            "line": batch.lines[rejection.index],
            "index": rejection.index,
            "code": rejection.code,
            "detail": rejection.detail,
        }
        for rejection in result.rejected[:_MAX_REJECTIONS_LISTED]
    ]
    reasons = "; ".join(
        f"line {item['line']}: {item['code']}: {item['detail']}"
        for item in rejected[:_MAX_REJECTIONS_IN_MESSAGE]
    )
    message = f"partial write: {reasons} dropped={len(result.rejected)}"
    return _error(
        400,
        "invalid",
        message,
        accepted=result.accepted,
        duplicate=result.duplicate,
        rejected=rejected,
    )


def _error(
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> HttpResponse:
    """Return an error as InfluxDB writes it: `error` is where the first version's clients look."""
    body = {"code": code, "message": message, "error": message, **extra}
    content_type = "application/json"
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type=content_type, headers=headers
    )
