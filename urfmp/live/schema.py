"""The live process in the OpenAPI document."""

from __future__ import annotations

from typing import Any

_EVENTS = {
    "operationId": "events",
    "summary": "Stream changes as they happen",
    "description": (
        "A stream of server-sent events that closes when the credential is revoked or expires."
        " Requires permission to view robots and"
        " telemetry. Values are throttled for display; `reset` means that events may have been"
        " missed."
    ),
    "tags": ["events"],
    "security": [{"bearer": []}],
    "parameters": [
        {
            "name": "robot",
            "in": "query",
            "description": "Only these robots, at a higher rate; default is the whole fleet.",
            "schema": {
                "type": "array",
                "items": {"type": "string", "format": "uuid"},
                "maxItems": 100,
            },
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "Id of the last event that the client received, to resume a stream.",
            "schema": {"type": "string", "maxLength": 100},
        },
        {
            "name": "last_event_id",
            "in": "query",
            "description": "As `Last-Event-ID`, for clients that cannot send the header.",
            "schema": {"type": "string", "maxLength": 100},
        },
    ],
    "responses": {
        "200": {
            "description": "Events: `welcome`, `telemetry`, `status`, `reset`, `heartbeat`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        "404": {"description": ""},
    },
}


def add_event_stream(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the event stream to the document.

    A postprocessing hook of drf-spectacular.
    """
    result["paths"]["/api/v1/events"] = {"get": _EVENTS}
    return result
