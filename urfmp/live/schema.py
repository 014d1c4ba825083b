"""What the OpenAPI document says about the live process."""

from __future__ import annotations

from typing import Any

_EVENTS = {
    "operationId": "events",
    "summary": "Be told of changes as they happen",
    "description": (
        "A stream of server-sent events that ends when the credential does; the web process sends"
        " on to the live one. Needs to see robots and telemetry. Values are thinned, for eyes;"
        " `reset` means that something may have been missed."
    ),
    "tags": ["events"],
    "security": [{"bearer": []}],
    "parameters": [
        {
            "name": "robot",
            "in": "query",
            "description": "Only these robots, in finer steps; the whole fleet without it.",
            "schema": {
                "type": "array",
                "items": {"type": "string", "format": "uuid"},
                "maxItems": 100,
            },
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last event that was seen, after a break.",
            "schema": {"type": "string", "maxLength": 100},
        },
        {
            "name": "last_event_id",
            "in": "query",
            "description": "The same, of clients that cannot send the header.",
            "schema": {"type": "string", "maxLength": 100},
        },
    ],
    "responses": {
        "200": {
            "description": "Events: `welcome`, `telemetry`, `status`, `reset`, `heartbeat`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        "307": {
            "description": "The live process has an address of its own.",
            "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
        },
        "404": {"description": ""},
    },
}


def add_events(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the stream to the document; a post-processing hook of drf-spectacular."""
    result["paths"]["/api/v1/events"] = {"get": _EVENTS}
    return result
