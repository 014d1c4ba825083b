from __future__ import annotations

from rest_framework.response import Response

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import CONTENT_TYPE, problem, problem_headers


def refusal(error: ApplicationError) -> Response:
    """Answer with an error rather than raise it: what was written about the failure must stay."""
    return Response(
        problem(error.status, error.code, error.message),
        status=error.status,
        headers=problem_headers(error),
        content_type=CONTENT_TYPE,
    )
