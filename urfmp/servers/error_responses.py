"""Answers to what cannot be read as a request, and so comes to no application.

Both servers send them, before they close the connection.
"""

from __future__ import annotations

from http import HTTPStatus

from urfmp.common.http.problem_details import problem

_PROBLEMS = {
    400: ("malformed", "The request cannot be read."),
    403: ("permission_denied", "You may not do this."),
    408: ("request_timeout", "The request did not arrive in time; send it again."),
    414: ("address_too_long", "The address is too long; send less in it, or in parts."),
    417: ("expectation_failed", "Expect nothing but 100-continue."),
    431: ("headers_too_large", "The headers are too many or too large; send fewer cookies."),
    501: ("unsupported_transfer_coding", "Send the body plain, with a Content-Length."),
}
_SERVER_ERROR = "server_error", "The server failed; the fault is recorded."
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


def raw_error_response(status: int) -> bytes:
    """Return a whole answer, after which the connection is closed."""
    code, detail = _PROBLEMS.get(status, _SERVER_ERROR)
    found = problem(status, code, detail)
    headers = {**found.headers, **_HEADERS, "Content-Length": str(len(found.body))}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + found.body
