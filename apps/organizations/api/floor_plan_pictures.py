"""The picture of a floor plan, for pages and the API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse

from urfmp.common.http.stored_files import stored_file_response


def picture_response(plans: QuerySet[Any], if_none_match: str) -> HttpResponse:
    """Return the picture, or 304 if the client has it.

    Args:
        plans: The plan, or no row.
        if_none_match: Header of the request.

    Raises:
        Http404: The facility does not have a floor plan.
    """
    return stored_file_response(
        plans.only("picture", "media_type", "digest"),
        if_none_match,
        lambda plan: HttpResponse(bytes(plan.picture), content_type=plan.media_type),
    )
