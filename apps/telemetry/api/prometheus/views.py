"""The query API of Prometheus, for Grafana and promtool.

Plain Django views: parameters, answers and errors have the form that clients of Prometheus expect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.auth.requests import presented_token
from apps.robots.models import Robot
from apps.telemetry.api.prometheus.parameters import QueryParameters
from apps.telemetry.exceptions import QuerySyntaxError, UnsupportedExpressionError
from apps.telemetry.protocols.prometheus.promql import parse_query, parse_selector
from apps.telemetry.selectors.prometheus.evaluation import (
    MAX_SERIES,
    EvaluatedSeries,
    Steps,
    evaluate,
)
from apps.telemetry.selectors.prometheus.expressions import (
    Expression,
    FunctionCall,
    Scalar,
    Selector,
)
from apps.telemetry.selectors.prometheus.labels import LABELS, find_label_values, find_series
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import error_response, problem_response
from urfmp.common.http.view_policy import view_policy

# The version of Prometheus whose query API this is compatible with.
_VERSION = "2.42.0"
_FORM = "application/x-www-form-urlencoded"
_PERMISSIONS = ("telemetry.view_robottelemetry", "robots.view_robot")
_ERROR_TYPES = {
    400: "bad_data",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "execution",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
_TRUNCATED = "results truncated due to limit"
Answer = tuple[Any, list[str]]
"""The data of a response, and warnings."""


def prometheus_error(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Return an error as Prometheus does."""
    kind = _ERROR_TYPES.get(status, "bad_data")
    return _json({"status": "error", "errorType": kind, "error": detail}, status)


def _endpoint(handler: Callable[..., Answer], *methods: str) -> Callable[..., HttpResponse]:
    """Return the view of a handler, for readers of robots and telemetry."""

    @csrf_exempt
    @view_policy(error_format=prometheus_error)
    def view(request: HttpRequest, **values: Any) -> HttpResponse:
        if response := _check_request(request, methods):
            return response
        try:
            data, warnings = handler(request, **values)
        except ApplicationError as error:
            return error_response(error)
        extra = {"warnings": warnings} if warnings else {}
        return _json({"status": "success", "data": data, **extra})

    return view


def _check_request(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse | None:
    allowed = ("HEAD", *methods)
    if request.method not in allowed:
        detail = f"Use {' or '.join(methods)}."
        response = problem_response(405, "method_not_allowed", detail)
        response["Allow"] = ", ".join(allowed)
        return response
    principal: Any = request.user
    # Browser sessions are not accepted: these views have no CSRF protection.
    if presented_token(request) is None or not principal.is_authenticated:
        detail = "Send a valid API key or access token in Authorization: Bearer."
        return problem_response(HTTPStatus.UNAUTHORIZED, "not_authenticated", detail)
    for permission in _PERMISSIONS:
        if not principal.has_perm(permission):
            detail = principal.denial_text(permission)
            return problem_response(HTTPStatus.FORBIDDEN, "permission_denied", detail)
    if request.method == "POST" and request.content_type not in {_FORM, ""}:
        return problem_response(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            f"Send the parameters in the URL, or as {_FORM}.",
        )
    return None


def _query(request: HttpRequest) -> Answer:
    parameters = QueryParameters(request)
    steps = parameters.instant()
    expression = parse_query(parameters.text("query"))
    found = _evaluate(request, expression, steps)
    if isinstance(expression, Scalar):
        return {"resultType": "scalar", "result": _sample(steps.start, expression.value)}, []
    result = [{"metric": one.labels, "value": _sample(*one.values[0])} for one in found]
    return {"resultType": "vector", "result": result}, []


def _query_range(request: HttpRequest) -> Answer:
    parameters = QueryParameters(request)
    steps = parameters.steps()
    found = _evaluate(request, parse_query(parameters.text("query")), steps)
    result = [
        {"metric": one.labels, "values": [_sample(at, value) for at, value in one.values]}
        for one in found
    ]
    return {"resultType": "matrix", "result": result}, []


def _evaluate(request: HttpRequest, expression: Expression, steps: Steps) -> list[EvaluatedSeries]:
    if isinstance(expression, Scalar):
        return evaluate(expression, [], steps)
    if isinstance(expression, FunctionCall):
        selector = expression.selector
    elif expression.range_ms is None:
        selector = expression
    else:
        what = "A range without a function"
        raise UnsupportedExpressionError.of(what)
    series = find_series(_robots(request), selector.matchers, limit=MAX_SERIES + 1)
    return evaluate(expression, series, steps)


def _series(request: HttpRequest) -> Answer:
    parameters = QueryParameters(request)
    selectors = _selectors(parameters)
    if not selectors:
        msg = "The parameter match[] is missing."
        raise QuerySyntaxError(msg)
    limit, start = parameters.limit(), parameters.start()
    found: dict[Any, dict[str, str]] = {}
    for selector in selectors:
        for one in find_series(_robots(request), selector.matchers, limit=limit + 1, start=start):
            found[one.robot_id, one.metric_name] = one.labels
    return _limited([*found.values()], limit)


def _labels(request: HttpRequest) -> Answer:
    parameters = QueryParameters(request)
    selectors = _selectors(parameters)
    limit, start = parameters.limit(), parameters.start()
    if not selectors:
        is_empty = not find_series(_robots(request), (), limit=1, start=start)
        return _limited([] if is_empty else sorted(LABELS), limit)
    names = {
        name
        for selector in selectors
        for one in find_series(_robots(request), selector.matchers, limit=limit, start=start)
        for name in one.labels
    }
    return _limited(sorted(names), limit)


def _label_values(request: HttpRequest, label: str) -> Answer:
    parameters = QueryParameters(request)
    limit, start = parameters.limit(), parameters.start()
    values = {
        value
        for selector in _selectors(parameters) or [Selector(())]
        for value in find_label_values(
            _robots(request), label, selector.matchers, limit=limit + 1, start=start
        )
    }
    return _limited(sorted(values), limit)


def _buildinfo(request: HttpRequest) -> Answer:
    names = ("revision", "branch", "buildUser", "buildDate", "goVersion")
    return {"version": _VERSION, **dict.fromkeys(names, ""), "application": "urfmp"}, []


def _robots(request: HttpRequest) -> Any:
    return Robot.objects.restrict(request.user)


def _selectors(parameters: QueryParameters) -> list[Selector]:
    return [parse_selector(text) for text in parameters.texts("match[]")]


def _limited(found: list[Any], limit: int) -> Answer:
    return found[:limit], [_TRUNCATED] if len(found) > limit else []


def _sample(at: int, value: float) -> tuple[float, str]:
    return at / 1000, _text(value)


def _text(value: float) -> str:
    """Return a number as Prometheus writes it."""
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


def _json(data: Any, status: int = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(data), status=status, content_type="application/json")


query = _endpoint(_query, "GET", "POST")
query_range = _endpoint(_query_range, "GET", "POST")
series = _endpoint(_series, "GET", "POST")
labels = _endpoint(_labels, "GET", "POST")
label_values = _endpoint(_label_values, "GET")
buildinfo = _endpoint(_buildinfo, "GET")
