"""Values that the live process reads from a request."""

from __future__ import annotations

from django.conf import settings
from starlette.datastructures import QueryParams
from starlette.requests import Request

from urfmp.common.http.client_ip import forwarded_ip, normalize_ip
from urfmp.live.http.errors import HttpError


def query_parameters(request: Request) -> QueryParams:
    """Return the query parameters.

    Raises:
        HttpError: 400 if there are more than `DATA_UPLOAD_MAX_NUMBER_FIELDS`, as in Django.
    """
    query: bytes = request.scope["query_string"]
    if query.count(b"&") >= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:
        raise HttpError(400, "malformed", "There are too many parameters.")
    return request.query_params


def client_ip(request: Request) -> str | None:
    """Return the client's IP address; behind a proxy, the forwarded one.

    Several X-Forwarded-For lines count as one: only the last entry is written by the proxy.
    """
    forwarded = request.headers.getlist("X-Forwarded-For") if settings.TRUST_PROXY else []
    if forwarded:
        return normalize_ip(forwarded_ip(",".join(forwarded)))
    return normalize_ip(request.client.host if request.client else "")


def is_foreign_origin(request: Request) -> bool:
    """Return whether a page of another origin sent the request.

    Browsers leave the Origin header out of GET requests to the page's own origin.
    """
    return request.headers.get("Origin", settings.WEB_ORIGIN) != settings.WEB_ORIGIN


def session_token(request: Request) -> str | None:
    """Return the value of the session cookie."""
    return request.cookies.get(settings.SESSION_COOKIE_NAME)


def request_id(request: Request) -> str:
    """Return the request's id, which `ResponseHeadersMiddleware` has set."""
    value: str = request.state.request_id
    return value


async def wait_for_disconnect(request: Request) -> None:
    """Wait until the client of a request disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
