"""REST framework's exception handler: exceptions become problem details."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.settings import api_settings

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import Problem, problem, problem_for
from urfmp.common.tenancy.context import current_organization_id

_CODES = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.ParseError: "malformed",
    exceptions.Throttled: "throttled",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response to an expected error, else None.

    Django turns every other exception into a 500.

    The transaction is rolled back, so that a failed request leaves no partial changes.
    """
    found = _problem(exc)
    if found is None:
        return None
    if current_organization_id() is not None:
        transaction.set_rollback(True)
    return rest_response(found)


def rest_response(found: Problem) -> Response:
    """Return REST framework's response for a problem."""
    headers = dict(found.headers)
    content_type = headers.pop("Content-Type")
    return Response(found.members, status=found.status, headers=headers, content_type=content_type)


def _problem(exc: Exception) -> Problem | None:
    if isinstance(exc, ApplicationError):
        return problem_for(exc)
    if isinstance(exc, Http404):
        return problem(404, "not_found", "Not found.")
    if isinstance(exc, PermissionDenied):
        detail = "You do not have permission to perform this action."
        return problem(403, "permission_denied", detail)
    if isinstance(exc, DjangoValidationError):
        exc = exceptions.ValidationError(as_serializer_error(exc))
    if isinstance(exc, UnreadablePostError):
        exc = exceptions.ParseError("The body is incomplete. Send the request again.")
    if isinstance(exc, exceptions.ValidationError):
        return problem(400, "invalid", "Some fields are invalid.", errors=_errors(exc.detail))
    if isinstance(exc, exceptions.APIException):
        return _of_rest_framework(exc)
    return None


def _of_rest_framework(exc: exceptions.APIException) -> Problem:
    wait: float | None = getattr(exc, "wait", None)
    found = problem(
        exc.status_code,
        _CODES.get(type(exc), exc.default_code),
        str(exc.detail),
        retry_after=None if wait is None else int(wait) + 1,
    )
    if authenticate := getattr(exc, "auth_header", None):
        found.headers["WWW-Authenticate"] = authenticate
    return found


def _errors(detail: Any) -> dict[str, Any]:
    """Return a list of messages for each field name."""
    if not isinstance(detail, dict):
        return {api_settings.NON_FIELD_ERRORS_KEY: detail}
    return {
        name: messages if isinstance(messages, list | dict) else [messages]
        for name, messages in detail.items()
    }
