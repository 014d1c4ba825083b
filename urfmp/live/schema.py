"""The live process in the OpenAPI document."""

from __future__ import annotations

from typing import Any, cast

from apps.robots.choices import CommandPriority, CommandType

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
            "description": (
                "Events: `welcome`, `telemetry`, `status`, `command`, `alert`, `reset`,"
                " `heartbeat`."
            ),
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        "404": {"description": ""},
    },
}

_SECONDS = {"type": "number", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}
_COMMAND = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "type": {"type": "string", "enum": [*CommandType.values]},
        "payload": {"type": "object", "additionalProperties": True},
        "priority": {"type": "string", "enum": [*CommandPriority.values]},
        "created_at": _TIME,
        "sent_at": _TIME,
        "expires_at": _TIME,
        "expires_in": {**_SECONDS, "description": "Do not start it later than this."},
        "acknowledge_in": {**_SECONDS, "description": "Acknowledge it within this time."},
    },
    "additionalProperties": False,
}
_COMMAND["required"] = [*cast("dict[str, Any]", _COMMAND["properties"])]
_NEXT_COMMAND = {
    "operationId": "device_command_next",
    "summary": "Wait for the next command",
    "description": (
        "For a key bound to a robot, with the scope commands:write. A command is returned at once,"
        " or as soon as it is created; 204 if there was none. It is handed over once: if the"
        " response is lost, its outcome is unknown, and it is not sent again. Stop requests come"
        " first. Polls do not count toward the key's rate limit; a robot may poll five times a"
        " second. A new poll ends an older one of the same robot."
    ),
    "tags": ["device"],
    "security": [{"bearer": []}],
    "parameters": [
        {
            "name": "wait",
            "in": "query",
            "description": "Seconds to wait for a command.",
            "schema": {"type": "integer", "minimum": 0, "maximum": 30, "default": 30},
        }
    ],
    "responses": {
        "200": {
            "description": "The next command.",
            "content": {"application/json": {"schema": _COMMAND}},
        },
        "204": {"description": "No command became due."},
    },
}
_COMMAND_EVENTS = {
    "operationId": "device_command_events",
    "summary": "Stream commands as they become due",
    "description": (
        "For a key bound to a robot, with the scope commands:write; an alternative to"
        " `device/commands/next`. A stream of server-sent events. `command` has the same data, and"
        " is handed over once: if it is lost, its outcome is unknown, and it is not sent again."
        " The next command follows when the robot has acknowledged the last one; a stop request"
        " follows at once. The stream closes within a second when the key is revoked, when the"
        " robot opens another stream or poll, and when an acknowledgement is overdue. Opening it"
        " counts as contact of the robot, the open stream does not."
    ),
    "tags": ["device"],
    "security": [{"bearer": []}],
    "responses": {
        "200": {
            "description": "Events: `welcome`, `command`, and `heartbeat` each 15 seconds.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
}


def add_live_routes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the routes of the live process to the document.

    A postprocessing hook of drf-spectacular.
    """
    result["paths"]["/api/v1/events"] = {"get": _EVENTS}
    result["paths"]["/api/v1/device/commands/next"] = {"post": _NEXT_COMMAND}
    result["paths"]["/api/v1/device/commands/events"] = {"get": _COMMAND_EVENTS}
    return result
