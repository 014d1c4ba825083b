"""OpenAPI descriptions of the receivers, whose views are not DRF views."""

from __future__ import annotations

from typing import Any

_RETRY_AFTER = {
    "description": "Seconds to wait before the request is sent again.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}
_ERRORS = {
    "400": "The body is invalid, or some values were rejected; the others are stored.",
    "401": "No valid API key.",
    "403": "The key does not have the scope telemetry:write.",
    "413": "More than 50,000 values, or 4 MB decompressed.",
    "415": "The media type or the Content-Encoding is not supported.",
    "429": "Too many requests; nothing is stored.",
    "503": "The service is unavailable; send the request again.",
}
_STATUS = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}
_COUNT = {"schema": {"type": "string", "pattern": "^[0-9]+$"}}


def _operation(
    name: str,
    summary: str,
    description: str,
    *,
    tag: str,
    bodies: dict[str, Any],
    encodings: list[str],
    success: dict[str, Any],
    errors: dict[str, Any],
) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "description": description,
            "tags": [tag],
            "security": [{"bearer": []}],
            "x-credentials": [{"bearer": []}, {"apiKey": []}],
            "x-own-errors": True,
            "parameters": [
                {
                    "name": "Content-Encoding",
                    "in": "header",
                    "schema": {"type": "string", "enum": encodings},
                }
            ],
            "requestBody": {"required": True, "content": bodies},
            "responses": {
                **success,
                **{
                    status: {
                        "description": text,
                        "headers": {"Retry-After": _RETRY_AFTER}
                        if status in {"429", "503"}
                        else {},
                        "content": errors,
                    }
                    for status, text in _ERRORS.items()
                },
            },
        }
    }


def add_receivers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the receivers; a postprocessing hook of drf-spectacular."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    result["paths"]["/prometheus/api/v1/write"] = _operation(
        "prometheus_write",
        "Store Prometheus remote write",
        "Versions 1.0 and 2.0; 204 means that everything is committed. 503 takes the place of 429, "
        "because Prometheus drops what gets 429.",
        tag="prometheus",
        bodies={"application/x-protobuf": binary},
        encodings=["snappy"],
        success={
            "204": {
                "description": "Everything is stored.",
                "headers": {
                    "X-Prometheus-Remote-Write-Samples-Written": _COUNT,
                    "X-Dropped-Samples": _COUNT,
                },
            }
        },
        errors={"text/plain": {"schema": {"type": "string"}}},
    )
    result["paths"]["/otlp/v1/metrics"] = _operation(
        "otlp_metrics",
        "Store OpenTelemetry metrics",
        "OTLP/HTTP; 200 means committed. Data points that were rejected are counted as a partial "
        "success.",
        tag="telemetry",
        bodies={
            "application/x-protobuf": binary,
            "application/json": {"schema": {"type": "object"}},
        },
        encodings=["gzip", "identity"],
        success={
            "200": {
                "description": "Stored.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
        errors={"application/json": {"schema": _STATUS}},
    )
    return result
