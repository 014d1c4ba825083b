"""Record the contact of a robot that made a request."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from apps.robots.services.presence import robots_contacted

View = Callable[[HttpRequest], HttpResponseBase]


class RobotContactMiddleware:
    """Count each request with a valid device key as contact.

    Any response counts, also one with an error: the robot has reached the platform. Place it before
    the middleware that opens the tenant transaction, so that a rolled-back request counts as well.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Record the contact after the response."""
        response = self.get_response(request)
        principal = getattr(request, "user", None)
        # Still unread where the view did not run: reading it needs a tenant transaction.
        if isinstance(principal, SimpleLazyObject):
            return response
        if (robot_id := getattr(principal, "robot_id", None)) is not None:
            robots_contacted(principal.organization_id, {robot_id})  # type: ignore[union-attr]
        return response
