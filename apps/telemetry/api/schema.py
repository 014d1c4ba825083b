"""What the OpenAPI document says about the plain ingest view, which DRF does not see."""

from __future__ import annotations

from typing import Any

_REJECTION = {
    "type": "object",
    "required": ["index", "code", "detail"],
    "properties": {
        "index": {"type": "integer", "description": "Place in the batch, from 0."},
        "code": {
            "type": "string",
            "enum": [
                "invalid",
                "unknown_robot",
                "metric_name",
                "not_finite",
                "clock_skew",
                "too_old",
                "unit",
                "metadata",
                "conflict",
            ],
        },
        "detail": {"type": "string"},
    },
}
_RESULT = {
    "type": "object",
    "required": ["accepted", "duplicate", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicate": {"type": "integer"},
        "rejected": {"type": "array", "items": _REJECTION},
    },
}
_POINT = {
    "type": "object",
    "required": ["metric_name", "time", "value"],
    "additionalProperties": False,
    "properties": {
        "robot_id": {"type": "string", "format": "uuid"},
        "serial_number": {"type": "string"},
        "metric_name": {
            "type": "string",
            "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
            "maxLength": 100,
        },
        "time": {"type": "string", "format": "date-time"},
        "value": {"type": "number"},
        "unit": {"type": ["string", "null"], "maxLength": 20, "description": "UCUM code."},
        "metadata": {"type": ["object", "null"]},
    },
}
_ANSWERS = {
    "400": "The body is not JSON of this form.",
    "401": "No valid API key.",
    "403": "The key does not have the scope telemetry:write.",
    "413": "More than 10,000 points or 8 MB.",
    "415": "Not application/json.",
    "503": "The database is away; Retry-After says when to come back.",
}


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    }


def add_ingest(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add `POST /api/v1/telemetry` to the document; a post-processing hook of drf-spectacular."""
    body = {
        "type": "object",
        "required": ["points"],
        "additionalProperties": False,
        "properties": {"points": {"type": "array", "maxItems": 10_000, "items": _POINT}},
    }
    result["paths"]["/api/v1/telemetry"] = {
        "post": {
            "operationId": "telemetry_ingest",
            "summary": "Store a batch of points",
            "description": (
                "200 means committed. A point that is stored already counts as a duplicate, so a "
                "batch may be sent again. A key bound to a robot may leave the robot out."
            ),
            "tags": ["telemetry"],
            "security": [{"apiKeyBearer": []}, {"apiKeyHeader": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": {
                    "description": "Stored.",
                    "content": {"application/json": {"schema": _RESULT}},
                },
                "422": _problem("Not one point was good; the body says why."),
                **{status: _problem(text) for status, text in _ANSWERS.items()},
            },
        }
    }
    return result
