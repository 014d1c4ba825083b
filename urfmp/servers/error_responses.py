"""Error responses for input that is not valid HTTP.

Both servers send them and then close the connection.
"""

from __future__ import annotations

from http import HTTPStatus

from urfmp.common.http.problem_details import problem

_PROBLEMS = {
    400: ("malformed", "The request is malformed."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    408: ("request_timeout", "The request did not arrive in time. Send it again."),
    413: ("too_large", "The body is too large. It has at most 8 MB; with files at most 32 MB."),
    414: ("address_too_long", "The URL is too long."),
    417: ("expectation_failed", "Only the expectation 100-continue is supported."),
    431: ("headers_too_large", "The headers are too many or too large. Send fewer cookies."),
    501: (
        "unsupported_transfer_coding",
        "Send the body chunked or with a Content-Length, without another Transfer-Encoding.",
    ),
    503: ("busy", "The server has too much to do. Try again later."),
}
_SERVER_ERROR = "server_error", "Internal server error. The error has been logged."
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


INCOMPLETE = "The request is incomplete. Send it again."


def raw_error_response(status: int, detail: str = "", *, retry_after: int | None = None) -> bytes:
    """Return a complete HTTP response; the server closes the connection after it.

    Args:
        status: HTTP status.
        detail: Text for users, instead of the status's own.
        retry_after: Seconds until the client may retry.
    """
    code, usual_detail = _PROBLEMS.get(status, _SERVER_ERROR)
    found = problem(status, code, detail or usual_detail, retry_after=retry_after)
    headers = {**found.headers, **_HEADERS, "Content-Length": str(len(found.body))}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + found.body
