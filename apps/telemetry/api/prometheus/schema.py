"""OpenAPI descriptions of the query API, whose views are not DRF views."""

from __future__ import annotations

from typing import Any

_PREFIX = "/prometheus/api/v1"
_TEXT = {"type": "string"}
_LABELS = {"type": "object", "additionalProperties": _TEXT}
_SAMPLE = {
    "type": "array",
    "prefixItems": [{"type": "number", "description": "Seconds since 1970."}, _TEXT],
    "minItems": 2,
    "maxItems": 2,
}
_ERROR = {
    "type": "object",
    "required": ["status", "errorType", "error"],
    "properties": {
        "status": {"type": "string", "const": "error"},
        "errorType": _TEXT,
        "error": {"type": "string", "description": "The error and its remedy."},
    },
}
_ERRORS = {
    "400": "A parameter is missing or invalid, or the query is not PromQL.",
    "401": "No valid API key or access token.",
    "403": "The role or the scopes do not include telemetry:read and robots:read.",
    "404": "No such endpoint.",
    "413": "The form is too large.",
    "415": "The parameters are not in a form.",
    "422": "A function or an operator is not supported, or the query reads too much.",
    "429": "Too many requests.",
    "503": "The service is unavailable, or the query took too long.",
}
_RETRY_AFTER = {
    "description": "Seconds to wait before a retry.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}
_TIME = "Unix time in seconds, or RFC 3339."
_QUERY = (
    "PromQL: a selector with =, !=, =~ and !~, or one of avg_over_time, min_over_time, "
    "max_over_time, sum_over_time, count_over_time, last_over_time and rate of one."
)
_MATCH = "Selector of series; repeat it for others."
_SEARCH = (("match[]", _MATCH, False), ("start", _TIME, False), ("end", _TIME, False))
_LIMIT = ("limit", "Maximum number of results; at most 10,000.", False)
_RESULT = {
    "type": "object",
    "required": ["resultType", "result"],
    "properties": {
        "resultType": {"type": "string", "enum": ["vector", "matrix", "scalar"]},
        "result": {
            "type": "array",
            "items": {
                "anyOf": [
                    {
                        "type": "object",
                        "required": ["metric"],
                        "properties": {
                            "metric": _LABELS,
                            "value": _SAMPLE,
                            "values": {"type": "array", "items": _SAMPLE},
                        },
                    },
                    {"type": ["number", "string"]},
                ]
            },
        },
    },
}
_NAMES = {"type": "array", "items": _TEXT}


def _parameter(name: str, description: str, is_required: bool) -> dict[str, Any]:
    is_list = name.endswith("[]")
    return {
        "name": name,
        "in": "query",
        "required": is_required,
        "description": description,
        "schema": {"type": "array", "items": _TEXT} if is_list else _TEXT,
    }


def _operation(
    name: str,
    summary: str,
    data: dict[str, Any],
    parameters: tuple[tuple[str, str, bool], ...] = (),
    *,
    is_form: bool = False,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"prometheus_{name}",
        "summary": summary,
        "description": "As in Prometheus; see the integrations guide for what is supported.",
        "tags": ["prometheus"],
        "security": [{"bearer": []}],
        "x-credentials": [{"bearer": []}, {"apiKey": []}],
        "x-own-errors": True,
        "parameters": [] if is_form else [_parameter(*one) for one in parameters],
        "responses": {
            "200": {"description": "The result.", "content": _content(_success(data))},
            **{
                status: {
                    "description": text,
                    "headers": {"Retry-After": _RETRY_AFTER} if status in {"429", "503"} else {},
                    "content": _content(_ERROR),
                }
                for status, text in _ERRORS.items()
                if is_form or status not in {"413", "415"}
            },
        },
    }
    if is_form:
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": [one for one, _, is_required in parameters if is_required],
                        "properties": {
                            one["name"]: one["schema"]
                            for one in (_parameter(*each) for each in parameters)
                        },
                    }
                }
            },
        }
    return operation


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _success(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["status", "data"],
        "properties": {
            "status": {"type": "string", "const": "success"},
            "data": data,
            "warnings": _NAMES,
        },
    }


def _both(
    name: str, summary: str, data: dict[str, Any], parameters: tuple[tuple[str, str, bool], ...]
) -> dict[str, Any]:
    """Return the operations of a path with the methods GET and POST."""
    return {
        "get": _operation(name, summary, data, parameters),
        "post": _operation(f"{name}_form", f"{summary} (form)", data, parameters, is_form=True),
    }


def add_prometheus(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the query API; a postprocessing hook of drf-spectacular."""
    label = {"name": "label", "in": "path", "required": True, "schema": _TEXT}
    values = _operation("label_values", "List the values of a label", _NAMES, (*_SEARCH, _LIMIT))
    values["parameters"].append(label)
    paths = {
        "query": _both(
            "query",
            "Evaluate a query at one time",
            _RESULT,
            (("query", _QUERY, True), ("time", f"{_TIME} Default: now.", False)),
        ),
        "query_range": _both(
            "query_range",
            "Evaluate a query over a range",
            _RESULT,
            (
                ("query", _QUERY, True),
                ("start", _TIME, True),
                ("end", _TIME, True),
                ("step", "Seconds, or a duration such as 15s.", True),
            ),
        ),
        "series": _both(
            "series",
            "List series by their labels",
            {"type": "array", "items": _LABELS},
            (("match[]", _MATCH, True), *_SEARCH[1:], _LIMIT),
        ),
        "labels": _both("labels", "List the names of labels", _NAMES, (*_SEARCH, _LIMIT)),
        "label/{label}/values": {"get": values},
        "status/buildinfo": {"get": _operation("buildinfo", "Get the compatible version", _LABELS)},
    }
    result["paths"].update({f"{_PREFIX}/{path}": item for path, item in paths.items()})
    return result
