"""What every operation of the OpenAPI document says alike: refusals, headers, credentials.

The last of drf-spectacular's post-processing hooks. It reads off the operation what can become of
it, so that a new one needs nothing but its own answers.
"""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import CONTENT_TYPE

# Codes of refusals that are no ApplicationError; a test finds those that are missing.
_PLAIN_CODES: dict[int, tuple[str, ...]] = {
    400: ("invalid", "malformed", "too_many_robots"),
    401: ("not_authenticated", "authentication_failed", "invalid_key", "invalid_token"),
    403: ("permission_denied", "foreign_origin", "second_factor_setup_required"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    406: ("not_acceptable",),
    409: (),
    411: ("length_required",),
    412: (),
    413: ("too_large",),
    415: ("unsupported_media_type",),
    422: ("nothing_stored",),
    429: ("rate_limited", "too_many_streams"),
    500: ("server_error",),
    503: ("unavailable", "busy"),
}
_DESCRIPTIONS = {
    400: "Something in the request does not fit; `errors` names the fields and parameters.",
    401: "No credential, or none that is valid.",
    403: "The role or the key's scopes do not include this.",
    404: "Missing, or another organization's.",
    406: "Answers are `application/json`.",
    409: "The state does not allow it.",
    411: "The body's length is not told; it cannot come in chunks.",
    412: "The row was changed since it was read; `version` is the present one.",
    413: "The body is too large.",
    415: "The body is not of a media type or encoding that is taken.",
    422: "Understood, but not carried out.",
    429: "Too many requests; nothing was done.",
    503: "Not available just now; nothing was done.",
}
_REQUEST_ID = {
    "description": "Names the request, in the record too; the one that was sent, if it was plain.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    "required": True,
}
_SECONDS = {"type": "integer", "minimum": 0}
_LIMITS: dict[str, Any] = {
    "RateLimit-Limit": {
        "description": "Requests in a window, of the tighter limit. On answers to a key.",
        "schema": _SECONDS,
    },
    "RateLimit-Remaining": {"description": "How many are left in it.", "schema": _SECONDS},
    "RateLimit-Reset": {"description": "Seconds until it begins anew.", "schema": _SECONDS},
}
_RETRY_AFTER = {
    "description": "Seconds until it is worth trying again.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}
_AUTHENTICATE = {"schema": {"type": "string"}, "required": True}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). Decide by `code`; `detail` is for people.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "What is wrong with each field or parameter.",
            "additionalProperties": {"type": ["array", "object"]},
        },
    },
}
_CREDENTIALS: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a person's access token.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, or a person's access token.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "A browser's session; whatever changes something also needs the CSRF token"
        " in `X-CSRFToken`. The cookie is called `urfmp_session` where plain HTTP is allowed.",
    },
}
_INFLUX_CREDENTIALS: dict[str, Any] = {
    "influxToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <API key>`, as clients of InfluxDB send it.",
    },
    "influxPassword": {
        "type": "http",
        "scheme": "basic",
        "description": "The API key as the password, under any name.",
    },
}
_TAGS = {
    "auth": "Signing in and out, and where one is signed in.",
    "organizations": "The caller's organization.",
    "platform": "All organizations, for the platform's super admins.",
    "facilities": "Places in which robots stand.",
    "users": "People of the organization.",
    "invitations": "People who were asked to join.",
    "sessions": "Where people are signed in.",
    "api-keys": "Credentials of machines.",
    "robots": "Robots, and what they did.",
    "status-history": "How long robots were in which state.",
    "commands": "What robots were asked to do.",
    "telemetry": "Measurements: the ways in, and what can be read of them.",
    "device": "A robot's own side, with a key bound to it.",
    "maintenance-tasks": "Work on robots.",
    "alerts": "What people have to be told.",
    "audit-logs": "The record: who did what, when, and what it changed.",
    "events": "Being told of changes as they happen.",
}


def problem_codes() -> dict[int, list[str]]:
    """Return the codes of every refusal by HTTP status: all that a client has to tell apart."""
    codes = defaultdict(set, {status: set(plain) for status, plain in _PLAIN_CODES.items()})
    waiting: list[type[ApplicationError]] = [ApplicationError]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting += kinds
        for kind in kinds:
            codes[int(kind.status)].add(kind.code)
    return {status: sorted(found) for status, found in sorted(codes.items())}


def add_common_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation its refusals, headers and credentials."""
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
            "description": "Seconds to wait, with `idempotency_in_progress`.",
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
    own_form = operation.pop("x-own-errors", False)
    for status in _error_statuses(path, method, operation, is_public=is_public):
        if not own_form or str(status) not in responses:
            responses[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    for status in list(responses):
        if status >= "400" and not own_form and "$ref" not in responses[status]:
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
    """Return the refusals that any operation of this form can come to."""
    headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
    found = {400, 406, 429, 503}
    if not is_public:
        found |= {401, 403}
    if "{" in path:
        found.add(404)
    if "requestBody" in operation:
        found |= {411, 413, 415}
    if method in {"patch", "delete"} or "Idempotency-Key" in headers:
        found.add(409)
    if "Idempotency-Key" in headers:
        found.add(422)
    if "If-Match" in headers:
        found.add(412)
    return found
