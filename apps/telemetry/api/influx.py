"""InfluxDB-compatible write endpoints: line protocol in, InfluxDB errors out."""

from __future__ import annotations

import base64
import binascii
import json
from http import HTTPStatus
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import presented_token
from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.api.key_recheck import (
    reject_invalid_key,
)
from apps.telemetry.api.mapped_ingest import ingest_mapped
from apps.telemetry.exceptions import SendingApiKeyInvalidError
from apps.telemetry.protocols.influx.points import LineProtocolBatch, decode_line_protocol
from apps.telemetry.services.telemetry import IngestResult
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.health import healthz
from urfmp.common.http.problem_details import error_headers
from urfmp.common.http.view_policy import view_policy

_PRECISIONS_V2 = {"": "ns", "ns": "ns", "us": "us", "ms": "ms", "s": "s"}
_PRECISIONS_V1 = {**_PRECISIONS_V2, "n": "ns", "u": "us", "µ": "us", "m": "m", "h": "h"}
_ERROR_CODES: dict[int, str] = {
    400: "invalid",
    403: "forbidden",
    413: "request too large",
    415: "unsupported media type",
    429: "too many requests",
    500: "internal error",
    503: "unavailable",
}
# A line has several values; a client's batch of lines must fit into one request.
_MAX_VALUES_PER_LINE = 10
# The InfluxDB version whose write API this is compatible with.
_VERSION = "2.7.0-urfmp"
_MAX_REJECTIONS_IN_MESSAGE = 3
_MAX_REJECTIONS_LISTED = 1_000


def influx_key(request: HttpRequest) -> str | None:
    """Return the API key, wherever InfluxDB clients may put it.

    That is `Authorization: Token`, optionally with a username before it, HTTP Basic, or the
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
    key = presented_token(request)
    return request.GET.get("p") if key is None else key


def influx_error(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Return an error as InfluxDB does."""
    return _error(status, _ERROR_CODES[status], detail)


_write_policy = view_policy(
    manual_transactions=True,
    reverify_key_on_write=True,
    api_key_reader=influx_key,
    error_format=influx_error,
)


@csrf_exempt
@_write_policy
def write_v2(request: HttpRequest) -> HttpResponse:
    """Store line protocol as in InfluxDB 2; 204 means committed."""
    return _write(request, _PRECISIONS_V2)


@csrf_exempt
@_write_policy
def write_v1(request: HttpRequest) -> HttpResponse:
    """Store line protocol as in InfluxDB 1; 204 means committed."""
    return _write(request, _PRECISIONS_V1)


@csrf_exempt
@view_policy(public=True)
def ping(request: HttpRequest) -> HttpResponse:
    """Answer the ping that InfluxDB clients send before they write."""
    if request.method not in {"GET", "HEAD"}:
        return _method_not_allowed()
    return _with_version_headers(HttpResponse(status=204))


@csrf_exempt
@view_policy(public=True)
def health(request: HttpRequest) -> HttpResponse:
    """Report health as in InfluxDB 2: 503 without a database."""
    if request.method not in {"GET", "HEAD"}:
        return _method_not_allowed()
    is_up = healthz(request).status_code == HTTPStatus.OK
    body: dict[str, Any] = {
        "name": "urfmp",
        "message": "ready for writes" if is_up else "the database is unavailable",
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
    """Reject queries, and name the endpoint that replaces them."""
    message = "Queries are not supported. Use /api/v1/robots/{id}/telemetry/series instead."
    return _with_version_headers(_error(501, "not implemented", message))


def _method_not_allowed() -> HttpResponse:
    response = _error(405, "method not allowed", "Use GET or HEAD.")
    response["Allow"] = "GET, HEAD"
    return response


def _with_version_headers(response: HttpResponse) -> HttpResponse:
    """Add the headers that report the InfluxDB version to clients."""
    response["X-Influxdb-Version"] = _VERSION
    response["X-Influxdb-Build"] = "URFMP"
    return response


def _write(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    response = _handle_write(request, precisions)
    if reject_invalid_key(request, response, influx_key(request)):
        return _unauthorized(SendingApiKeyInvalidError().message)
    return response


def _handle_write(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    if response := _check_request(request):
        return response
    precision = precisions.get(request.GET.get("precision", ""))
    if precision is None:
        known = ", ".join(filter(None, precisions))
        return _error(400, "invalid", f"Unknown precision. Use one of {known}.")

    def decode(body: bytes, mapping: LineProtocolMapping) -> LineProtocolBatch:
        return decode_line_protocol(
            body,
            timezone.now(),
            precision=precision,
            max_lines=settings.TELEMETRY_MAX_POINTS,
            max_values=settings.TELEMETRY_MAX_POINTS * _MAX_VALUES_PER_LINE,
            mapping=mapping,
        )

    try:
        batch, result = ingest_mapped(request, decode)
    except SendingApiKeyInvalidError as error:
        return _unauthorized(error.message)
    except ApplicationError as error:
        headers = error_headers(error.status, error.retry_after)
        return _error(error.status, _ERROR_CODES[error.status], error.message, headers)
    response = _partial_write(batch, result) if result.rejected else HttpResponse(status=204)
    if batch.renamed:
        response["X-Renamed-Metrics"] = json.dumps(batch.renamed)
    return response


def _check_request(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        response = _error(405, "method not allowed", "Use POST to write points.")
        response["Allow"] = "POST"
        return response
    principal: Any = request.user
    if not isinstance(principal, ApiKeyPrincipal):
        return _unauthorized("Send a valid API key in Authorization: Token.")
    if not principal.has_perm("telemetry.write_robottelemetry"):
        detail = principal.denial_text("telemetry.write_robottelemetry")
        return _error(403, "forbidden", detail)
    return None


def _unauthorized(message: str) -> HttpResponse:
    headers = error_headers(401, authenticate='Token realm="urfmp"')
    return _error(401, "unauthorized", message, headers)


def _partial_write(batch: LineProtocolBatch, result: IngestResult) -> HttpResponse:
    """Return InfluxDB's error for a partial write, which clients do not repeat."""
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
        **({"renamed": batch.renamed} if batch.renamed else {}),
    )


def _error(
    status: int,
    code: str,
    message: str,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> HttpResponse:
    """Return an error in InfluxDB's format.

    InfluxDB 1 clients read `error`.
    """
    body = {"code": code, "message": message, "error": message, **extra}
    content_type = "application/json"
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type=content_type, headers=headers
    )
