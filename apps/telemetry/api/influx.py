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
from apps.accounts.middleware.principal import confirms_key, reads_key
from apps.accounts.selectors.line_protocol_mapping import line_mapping_of
from apps.telemetry.api.foreign_robots import note_foreign_robots
from apps.telemetry.api.key_recheck import is_of_ended_key, note_ended_key, sending_key
from apps.telemetry.api.request_body import admitted_body
from apps.telemetry.exceptions import BusyError, KeyEndedError
from apps.telemetry.protocols.influx.points import LineBatch, decode_line_points
from apps.telemetry.protocols.points import Batch
from apps.telemetry.services.telemetry import IngestResult, telemetry_ingest
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.health import healthz
from urfmp.common.http.view_flags import ignores_credentials, manages_transactions

_PRECISIONS_V2 = {"": "ns", "ns": "ns", "us": "us", "ms": "ms", "s": "s"}
_PRECISIONS_V1 = {**_PRECISIONS_V2, "n": "ns", "u": "us", "µ": "us", "m": "m", "h": "h"}
_CODES = {
    400: "invalid",
    413: "request too large",
    415: "unsupported media type",
    429: "too many requests",
    503: "unavailable",
}
# A line carries several values; a client's batch of lines has to fit in one request.
_VALUES_A_LINE = 10
# The version whose way of writing is spoken here.
_VERSION = "2.7.0-urfmp"
_NAMED_IN_MESSAGE, _LISTED = 3, 1_000


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
@manages_transactions
@confirms_key
@reads_key(influx_key)
def write_v2(request: HttpRequest) -> HttpResponse:
    """Store line protocol as the second InfluxDB takes it; 204 means committed, all of it."""
    return _write(request, _PRECISIONS_V2)


@csrf_exempt
@manages_transactions
@confirms_key
@reads_key(influx_key)
def write_v1(request: HttpRequest) -> HttpResponse:
    """Store line protocol as the first InfluxDB takes it; 204 means committed, all of it."""
    return _write(request, _PRECISIONS_V1)


@csrf_exempt
@ignores_credentials
def ping(request: HttpRequest) -> HttpResponse:
    """Say that somebody is here, as clients of every InfluxDB ask before they write."""
    if request.method not in {"GET", "HEAD"}:
        return _reads_only()
    return _own(HttpResponse(status=204))


@csrf_exempt
@ignores_credentials
def health(request: HttpRequest) -> HttpResponse:
    """Answer the second InfluxDB's question whether the server can write: 503 when it cannot."""
    if request.method not in {"GET", "HEAD"}:
        return _reads_only()
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
    return _own(response)


@csrf_exempt
@ignores_credentials
def query(request: HttpRequest) -> HttpResponse:
    """Refuse to be read through InfluxDB's query languages, and say where reading is done."""
    message = "Queries are not supported; read at /api/v1/robots/{id}/telemetry/series."
    return _own(_error(501, "not implemented", message))


def _reads_only() -> HttpResponse:
    response = _error(405, "method not allowed", "Ask with GET or HEAD.")
    response["Allow"] = "GET, HEAD"
    return response


def _own(response: HttpResponse) -> HttpResponse:
    """Add the headers by which clients tell the version that they talk to."""
    response["X-Influxdb-Version"] = _VERSION
    response["X-Influxdb-Build"] = "URFMP"
    return response


def _write(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    response = _answer(request, precisions)
    if is_of_ended_key(request, response, influx_key(request)):
        return _unauthorized(KeyEndedError().message)
    return response


def _answer(request: HttpRequest, precisions: dict[str, str]) -> HttpResponse:
    if refusal := _refusal(request):
        return refusal
    precision = precisions.get(request.GET.get("precision", ""))
    if precision is None:
        known = ", ".join(filter(None, precisions))
        return _error(400, "invalid", f"There is no such precision; send one of {known}.")
    principal = cast("KeyPrincipal", request.user)
    try:
        with admitted_body(request, principal.organization_id) as body:
            batch = decode_line_points(
                body,
                timezone.now(),
                precision=precision,
                max_lines=settings.TELEMETRY_MAX_POINTS,
                max_values=settings.TELEMETRY_MAX_POINTS * _VALUES_A_LINE,
                mapping=line_mapping_of(principal.key_id, principal.organization_id),
            )
            result = _store(principal, batch)
            request.key_is_confirmed = bool(batch.points)  # type: ignore[attr-defined]
    except KeyEndedError as error:
        note_ended_key(request)
        return _unauthorized(error.message)
    except ApplicationError as error:
        response = _error(int(error.status), _CODES[int(error.status)], error.message)
        if isinstance(error, BusyError):
            response["Retry-After"] = str(error.retry_after)
        return response
    note_foreign_robots(request, result)
    return _partial(batch, result) if result.rejected else HttpResponse(status=204)


def _refusal(request: HttpRequest) -> HttpResponse | None:
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
    response = _error(401, "unauthorized", message)
    response["WWW-Authenticate"] = 'Token realm="urfmp"'
    return response


def _store(principal: KeyPrincipal, batch: LineBatch) -> IngestResult:
    """Store as many points at a time as a batch may hold, each part in its own transaction.

    A part that fails leaves those before it stored; the client sends the whole again, and they
    count as duplicates then.
    """
    total = IngestResult(0, 0, list(batch.rejected))
    size = settings.TELEMETRY_MAX_POINTS
    for start in range(0, len(batch.points), size):
        result = telemetry_ingest(
            organization_id=principal.organization_id,
            read=partial(Batch, batch.points[start : start + size]),
            own_robot_id=principal.robot_id,
            key=sending_key(principal),
        )
        total.accepted += result.accepted
        total.duplicate += result.duplicate
        total.rejected += result.rejected
    total.rejected.sort(key=lambda rejection: rejection.index)
    return total


def _partial(batch: LineBatch, result: IngestResult) -> HttpResponse:
    """Answer as InfluxDB does when some points were dropped; clients do not send them again."""
    rejected = [
        {
            "line": batch.lines[rejection.index],
            "index": rejection.index,
            "code": rejection.code,
            "detail": rejection.detail,
        }
        for rejection in result.rejected[:_LISTED]
    ]
    reasons = "; ".join(
        f"line {item['line']}: {item['code']}: {item['detail']}"
        for item in rejected[:_NAMED_IN_MESSAGE]
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


def _error(status: int, code: str, message: str, **extra: Any) -> HttpResponse:
    """Return an error as InfluxDB writes it: `error` is where the first version's clients look."""
    body = {"code": code, "message": message, "error": message, **extra}
    return HttpResponse(msgspec.json.encode(body), status=status, content_type="application/json")
