from __future__ import annotations

from http import HTTPStatus

from rest_framework.response import Response

from urfmp.common.exceptions import ApplicationError
from urfmp.common.problems import CONTENT_TYPE, problem


def refusal(error: ApplicationError) -> Response:
    """Answer with an error rather than raise it: what was written about the failure must stay."""
    headers = {}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="urfmp"'
    return Response(
        problem(error.status, error.code, error.message),
        status=error.status,
        headers=headers,
        content_type=CONTENT_TYPE,
    )
