"""The little of HTTP that the live process speaks: requests, answers, and who may read them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cached_property
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.http.cookie import parse_cookie
from django.utils.datastructures import CaseInsensitiveMapping

from urfmp.common.http.client_ip import forwarded_address, plain_address
from urfmp.common.http.middleware import request_id_of
from urfmp.common.http.problem_details import CONTENT_TYPE, problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

_METHODS = "GET, HEAD, OPTIONS"
_COMMON: list[Header] = [
    (b"cache-control", b"no-store"),
    (b"vary", b"Origin"),
    (b"x-content-type-options", b"nosniff"),
]


class Problem(Exception):  # noqa: N818 - it is an answer before it is an error
    """An answer other than the one that was asked for."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Take what the problem details say.

        Args:
            status: HTTP status.
            code: Stable and machine-readable.
            detail: For people.
            retry_after: Seconds until it is worth trying again.
            headers: Further header fields of the answer.
            errors: What is wrong with each parameter.
        """
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.errors = dict(errors or {})


class Request:
    """What a client asks for; bodies are not read."""

    def __init__(self, scope: Scope) -> None:
        """Decode the parts of an ASGI scope that matter here."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: CaseInsensitiveMapping[str] = CaseInsensitiveMapping(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        self._query_string: bytes = scope["query_string"]
        self._peer: str = (scope.get("client") or ("",))[0]
        self.id = request_id_of(self.headers)

    @cached_property
    def query(self) -> QueryDict:
        """The parameters.

        Raises:
            Problem: They are too many to be read.
        """
        try:
            return QueryDict(self._query_string)
        except SuspiciousOperation:
            raise Problem(400, "malformed", "There are too many parameters.") from None

    @property
    def address(self) -> str | None:
        """The client's address, from our proxy where there is one; None where it is unknown."""
        forwarded = self.headers.get("X-Forwarded-For") if settings.TRUST_PROXY else None
        return plain_address(forwarded_address(forwarded) if forwarded else self._peer)

    @property
    def origin(self) -> str | None:
        """The page that asks, as the browser says; None outside of browsers and on GET at home."""
        return self.headers.get("Origin")

    @property
    def is_foreign(self) -> bool:
        """Whether a page asks that is not ours."""
        return self.origin is not None and self.origin != settings.WEB_ORIGIN

    @property
    def session_token(self) -> str | None:
        """The session cookie's value."""
        return parse_cookie(self.headers.get("Cookie", "")).get(settings.SESSION_COOKIE_NAME)


def header_fields(fields: Mapping[str, str]) -> list[Header]:
    """Return header fields as ASGI takes them."""
    return [(name.lower().encode(), value.encode()) for name, value in fields.items()]


def headers_for(request: Request, extra: Iterable[Header] = ()) -> list[Header]:
    """Return an answer's headers; only our own pages are allowed to read it."""
    headers = [*_COMMON, (b"x-request-id", request.id.encode()), *extra]
    if request.origin == settings.WEB_ORIGIN:
        headers += [
            (b"access-control-allow-origin", settings.WEB_ORIGIN.encode()),
            (b"access-control-allow-credentials", b"true"),
        ]
    return headers


async def answer(
    request: Request,
    send: Send,
    status: int,
    body: bytes = b"",
    *,
    content_type: str | None = None,
    extra: Iterable[Header] = (),
) -> None:
    """Send a whole answer."""
    headers = headers_for(request, extra)
    if content_type:
        headers.append((b"content-type", content_type.encode()))
    if status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_json(request: Request, send: Send, status: int, content: Any) -> None:
    """Send an answer in JSON."""
    await answer(
        request, send, status, msgspec.json.encode(content), content_type="application/json"
    )


async def answer_problem(request: Request, send: Send, error: Problem) -> None:
    """Send problem details."""
    extra = header_fields(error.headers)
    if error.retry_after is not None:
        extra.append((b"retry-after", str(error.retry_after).encode()))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if error.status == 405:
        extra.append((b"allow", _METHODS.encode()))
    more = {"errors": error.errors} if error.errors else {}
    body = msgspec.json.encode(problem(error.status, error.code, error.detail, **more))
    await answer(request, send, error.status, body, content_type=CONTENT_TYPE, extra=extra)


async def answer_preflight(request: Request, send: Send) -> None:
    """Tell a browser what one of our pages may send."""
    extra: list[Header] = [(b"allow", _METHODS.encode())]
    if request.origin == settings.WEB_ORIGIN:
        extra += [
            (b"access-control-allow-methods", b"GET"),
            (b"access-control-allow-headers", b"Authorization, X-API-Key, Last-Event-ID"),
            (b"access-control-max-age", b"600"),
        ]
    await answer(request, send, 204, extra=extra)
