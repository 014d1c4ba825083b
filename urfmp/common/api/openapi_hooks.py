"""Add errors, headers and credentials that OpenAPI operations have in common.

This is the last of drf-spectacular's post-processing hooks. It derives the possible errors from the
operation, so that a view documents only its own responses.
"""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import CONTENT_TYPE

# Codes of errors that are not ApplicationErrors; a test finds missing ones.
_PLAIN_CODES: dict[int, tuple[str, ...]] = {
    400: ("invalid", "malformed", "too_many_robots", "two_credentials"),
    401: ("not_authenticated", "authentication_failed", "invalid_key", "invalid_token"),
    403: ("permission_denied", "foreign_origin", "second_factor_setup_required"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    406: ("not_acceptable",),
    409: (),
    412: (),
    413: ("too_large",),
    415: ("unsupported_media_type",),
    422: ("nothing_stored",),
    429: ("rate_limited", "too_many_streams"),
    500: ("server_error",),
    503: ("unavailable", "busy"),
}
_DESCRIPTIONS = {
    400: "The request is invalid; `errors` names the fields and parameters.",
    401: "Credentials are missing or invalid.",
    403: "The user's role or the API key's scopes do not include the permission.",
    404: "The object does not exist or belongs to another organization.",
    406: "Responses are `application/json`.",
    409: "The object's state does not allow the operation.",
    412: "The object was changed since it was read; `version` is its current version.",
    413: "The body is too large.",
    415: "The media type or content encoding of the body is not supported.",
    422: "The request was understood but not processed.",
    429: "Too many requests; nothing was changed.",
    503: "The service is unavailable; nothing was changed.",
}
_REQUEST_ID = {
    "description": "Id of the request, also in the audit log: the client's own if it was valid.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    "required": True,
}
_SECONDS = {"type": "integer", "minimum": 0}
_LIMITS: dict[str, Any] = {
    "RateLimit-Limit": {
        "description": "Requests in a window of the tightest limit. Only for API keys.",
        "schema": _SECONDS,
    },
    "RateLimit-Remaining": {"description": "Requests left in the window.", "schema": _SECONDS},
    "RateLimit-Reset": {"description": "Seconds until the next window.", "schema": _SECONDS},
}
_RETRY_AFTER = {
    "description": "Seconds to wait before a retry.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}
_AUTHENTICATE = {"schema": {"type": "string"}, "required": True}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). Act on `code`; `detail` is for display.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "Messages for each field or parameter.",
            "additionalProperties": {"type": ["array", "object"]},
        },
    },
}
_CREDENTIALS: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a user's access token.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, or a user's access token.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "A browser's session; requests with side effects also need the CSRF token in"
        " `X-CSRFToken`. The cookie is named `urfmp_session` where plain HTTP is allowed.",
    },
}
_INFLUX_CREDENTIALS: dict[str, Any] = {
    "influxToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <API key>`, as InfluxDB clients send it.",
    },
    "influxPassword": {
        "type": "http",
        "scheme": "basic",
        "description": "The API key as password, with any user name.",
    },
}
_TAGS = {
    "auth": "Login, logout and the user's own sessions.",
    "organizations": "The caller's organization.",
    "platform": "All organizations, for platform administrators.",
    "facilities": "Facilities where robots work.",
    "users": "Users of the organization.",
    "invitations": "Pending invitations to join the organization.",
    "sessions": "Sessions of users.",
    "api-keys": "Credentials of robots and integrations.",
    "robots": "Robots and their history.",
    "status-history": "Status intervals of robots.",
    "commands": "Commands to robots.",
    "telemetry": "Telemetry: ingest and queries.",
    "prometheus": "Telemetry as the query API of Prometheus, for Grafana.",
    "device": "The robot's own API, with an API key bound to it.",
    "maintenance-tasks": "Maintenance of robots.",
    "alerts": "Alerts.",
    "audit-logs": "The audit log: who changed what, and when.",
    "events": "Stream of changes as they happen.",
}


def problem_codes() -> dict[int, list[str]]:
    """Return all error codes by HTTP status."""
    codes = defaultdict(set, {status: set(plain) for status, plain in _PLAIN_CODES.items()})
    pending: list[type[ApplicationError]] = [ApplicationError]
    while pending:
        kinds = pending.pop().__subclasses__()
        pending += kinds
        for kind in kinds:
            codes[int(kind.status)].add(kind.code)
    return {status: sorted(found) for status, found in sorted(codes.items())}


def add_common_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add errors, headers and credentials to every operation."""
    components = result["components"]
    components["securitySchemes"] = {**_CREDENTIALS, **_INFLUX_CREDENTIALS}
    components["schemas"]["Problem"] = _PROBLEM
    components["responses"] = {
        name: _response(status, codes)
        for status, codes in problem_codes().items()
        if (name := _name(status)) is not None
    }
    components["headers"] = {"X-Request-ID": _REQUEST_ID, **_LIMITS}
    used = set()
    for path, item in result["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                _reject_nul(parameter)
            _complete(path, method, operation)
            used |= set(operation["tags"])
    result["tags"] = [
        {"name": name} | ({"description": _TAGS[name]} if name in _TAGS else {})
        for name in sorted(used)
    ]
    return result


def _name(status: int) -> str | None:
    return HTTPStatus(status).phrase.replace(" ", "") if status in _DESCRIPTIONS else None


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": _header("X-Request-ID")}
    if status == 401:
        headers["WWW-Authenticate"] = _AUTHENTICATE
    if status in {429, 503}:
        headers["Retry-After"] = _RETRY_AFTER
    if status == 409:
        headers["Retry-After"] = {
            "description": "Seconds to wait, with code `idempotency_in_progress`.",
            "schema": _RETRY_AFTER["schema"],
        }
    headers |= {name: _header(name) for name in _LIMITS}
    known = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, known]}
    return {
        "description": _DESCRIPTIONS[status],
        "headers": headers,
        "content": {CONTENT_TYPE: {"schema": schema}},
    }


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    security = operation.get("security", [{}])
    is_public = {} in security
    operation["security"] = [] if is_public else [{name: []} for name in _CREDENTIALS]
    if own := operation.pop("x-credentials", None):
        operation["security"] = own
    responses = operation["responses"]
    has_own_errors = operation.pop("x-own-errors", False)
    for status in _error_statuses(path, method, operation, is_public=is_public):
        if not has_own_errors or str(status) not in responses:
            responses[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    for status in list(responses):
        if status >= "400" and not has_own_errors and "$ref" not in responses[status]:
            responses[status] = {"$ref": f"#/components/responses/{_name(int(status))}"}
        elif "$ref" not in responses[status]:
            headers = responses[status].setdefault("headers", {})
            headers["X-Request-ID"] = _header("X-Request-ID")
            if not is_public:
                headers |= {name: _header(name) for name in _LIMITS}
    operation["responses"] = dict(sorted(responses.items()))


def _reject_nul(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    if schema.get("type") == "string" and not {"enum", "format", "pattern"} & set(schema):
        schema["pattern"] = r"^[^\u0000]*$"


def _error_statuses(
    path: str, method: str, operation: dict[str, Any], *, is_public: bool
) -> set[int]:
    """Return the error statuses that an operation of this form can return."""
    headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
    found = {400, 406, 429, 503}
    if not is_public:
        found |= {401, 403}
    if "{" in path:
        found.add(404)
    if "requestBody" in operation:
        found |= {413, 415}
    if method in {"patch", "delete"} or "Idempotency-Key" in headers:
        found.add(409)
    if "Idempotency-Key" in headers:
        found.add(422)
    if "If-Match" in headers:
        found.add(412)
    return found
