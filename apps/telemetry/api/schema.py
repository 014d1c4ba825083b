"""OpenAPI descriptions of the ingest views, which are not DRF views."""

from __future__ import annotations

from typing import Any

_REJECTION = {
    "type": "object",
    "required": ["index", "code", "detail"],
    "properties": {
        "index": {"type": "integer", "description": "Index in the batch, from 0."},
        "code": {
            "type": "string",
            "enum": [
                "invalid",
                "unknown_robot",
                "metric_name",
                "not_finite",
                "not_exact",
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
        "normalized_units": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "UCUM codes that replaced other spellings, by the unit as it was sent.",
        },
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
        "unit": {
            "type": ["string", "null"],
            "maxLength": 20,
            "description": "UCUM code; known spellings are replaced.",
        },
        "metadata": {"type": ["object", "null"]},
    },
}
_EXAMPLE = {
    "serial_number": "SN-4711",
    "metric_name": "temperature.controller",
    "time": "2026-01-31T12:00:00.250Z",
    "value": 41.5,
    "unit": "Cel",
}
_ENCODING = {
    "name": "Content-Encoding",
    "in": "header",
    "schema": {"type": "string", "enum": ["gzip", "zstd", "identity"]},
}
_INFLUX_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "error": {"type": "string", "description": "The message again, for older clients."},
        "accepted": {"type": "integer"},
        "duplicate": {"type": "integer"},
        "rejected": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["line", "index", "code", "detail"],
                "properties": {
                    "line": {"type": "integer", "description": "From 1."},
                    "index": {"type": "integer", "description": "Number of the field, from 0."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "renamed": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Metric names that differ from the names as they were sent.",
        },
    },
}
_INFLUX_RESPONSES = {
    "400": "A partial write: the other points are stored. Or the body is invalid.",
    "401": "No valid API key.",
    "403": "The key does not have the scope telemetry:write.",
    "413": "More than 10,000 lines, 100,000 fields or 8 MB, decompressed.",
    "415": "The Content-Encoding is neither gzip nor zstd.",
    "429": "Too many requests; nothing is stored.",
    "503": "The service is unavailable; send the body again.",
}
_RETRY_AFTER = {
    "description": "Seconds to wait before a retry.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}


def _influx_write(version: str, precisions: list[str], ignored: tuple[str, ...]) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": _INFLUX_ERROR}}}
    return {
        "post": {
            "operationId": f"influx_write_{version}",
            "summary": f"Store InfluxDB line protocol ({version})",
            "description": (
                "204 means that everything is committed. Send the API key in `Authorization: "
                "Token`, as the password of HTTP Basic, in the parameter `p`, or as in the rest of "
                "the API."
            ),
            "tags": ["telemetry"],
            "security": [{"influxToken": []}],
            "x-credentials": [
                {"influxToken": []},
                {"bearer": []},
                {"apiKey": []},
                {"influxPassword": []},
            ],
            "x-own-errors": True,
            "parameters": [
                {
                    "name": "precision",
                    "in": "query",
                    "schema": {"type": "string", "enum": precisions, "default": "ns"},
                },
                *(
                    {
                        "name": name,
                        "in": "query",
                        "schema": {"type": "string"},
                        "description": "Accepted and ignored.",
                    }
                    for name in ignored
                ),
                _ENCODING,
            ],
            "requestBody": {
                "required": True,
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            "responses": {
                "204": {"description": "Everything is stored."},
                **{
                    status: {
                        "description": text,
                        "headers": {"Retry-After": _RETRY_AFTER}
                        if status in {"429", "503"}
                        else {},
                        **error,
                    }
                    for status, text in _INFLUX_RESPONSES.items()
                },
            },
        }
    }


def add_ingest(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the ingest endpoints; a postprocessing hook of drf-spectacular."""
    result["paths"]["/api/v2/write"] = _influx_write(
        "v2", ["ns", "us", "ms", "s"], ("bucket", "org")
    )
    result["paths"]["/write"] = _influx_write(
        "v1", ["n", "ns", "u", "us", "ms", "s", "m", "h"], ("db", "rp", "u")
    )
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
                "batch may be sent again. An API key bound to a robot may leave the robot out."
            ),
            "tags": ["telemetry"],
            "security": [{"bearer": []}],
            "x-credentials": [{"bearer": []}, {"apiKey": []}],
            "parameters": [_ENCODING],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": body,
                        "examples": {"A point": {"value": {"points": [_EXAMPLE]}}},
                    },
                    "application/x-ndjson": {"schema": _POINT},
                },
            },
            "responses": {
                "200": {
                    "description": "Stored.",
                    "content": {"application/json": {"schema": _RESULT}},
                },
                "422": {"description": "Every point was rejected; `rejected` says why."},
            },
        }
    }
    return result
