"""ASGI middleware of the live process."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urfmp.common.http.middleware import request_id_of


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


class OptionsMiddleware:
    """Respond to OPTIONS for one route."""

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
        await Response(status_code=204, headers=headers)(scope, receive, send)
