"""ASGI middleware of the live process."""

from __future__ import annotations

from django.conf import settings
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urfmp.common.http.middleware import request_id_of

_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization, X-API-Key, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


class ResponseHeadersMiddleware:
    """Set the request's id and the headers that all responses have."""

    def __init__(self, app: ASGIApp) -> None:
        """Initialize the middleware.

        Args:
            app: Application that handles the requests.
        """
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers when the response starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {
                        "Cache-Control": "no-store",
                        "X-Content-Type-Options": "nosniff",
                        "X-Request-ID": request_id,
                    }
                )
            await send(message)

        await self._app(scope, receive, send_with_headers)


class WebOriginMiddleware(CORSMiddleware):
    """Let pages of the web origin, and no others, read the responses.

    Starlette also sends Access-Control-Allow-Credentials to other origins, and responds to a
    preflight request without asking the routes. Here other origins receive no CORS headers, and
    `OptionsMiddleware` responds to preflight requests, so that an unknown path returns 404.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Initialize the middleware.

        Args:
            app: Application that handles the requests.
        """
        super().__init__(app, allow_origins=[settings.WEB_ORIGIN], allow_credentials=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the CORS headers when the response starts."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self.is_allowed_origin(headers.get("Origin", "")):
            headers = Headers()
        await self.simple_response(scope, receive, send, request_headers=headers)


class OptionsMiddleware:
    """Respond to OPTIONS, including preflight requests, for one route."""

    def __init__(self, app: ASGIApp) -> None:
        """Initialize the middleware.

        Args:
            app: Application of the route.
        """
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to OPTIONS; pass other methods on."""
        if scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return
        headers = {"Allow": ", ".join(sorted(scope["route"].methods))}
        if Headers(scope=scope).get("Origin") == settings.WEB_ORIGIN:
            headers |= _PREFLIGHT_HEADERS
        await Response(status_code=204, headers=headers)(scope, receive, send)
