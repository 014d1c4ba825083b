from __future__ import annotations

from rest_framework.response import Response

from urfmp.common.api.exception_handler import rest_response
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import problem_for


def error_response(error: ApplicationError) -> Response:
    """Return the response for an error without rolling the transaction back."""
    return rest_response(problem_for(error))
