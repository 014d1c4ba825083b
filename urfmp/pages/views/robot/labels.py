"""Printable labels with the QR codes of robots."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.robots.models import Robot
from urfmp.pages.views.rendering import render_page, require_permission

MAX_LABELS = 100
_QR_PX_PER_MODULE = 3


@dataclass(frozen=True)
class Label:
    """A label of a robot.

    Attributes:
        robot: The robot.
        qr_code: Address of the robot's page as a picture in a data URI.
    """

    robot: Robot
    qr_code: str


def robot_labels_page(request: HttpRequest) -> HttpResponse:
    """Show a sheet of labels, sorted by name.

    The address names the robots. A QR code leads to the robot's page, which asks for a login; it
    contains no secret.
    """
    require_permission(request, "robots.view_robot")
    robots = Robot.objects.restrict(request.user).filter(pk__in=_requested_ids(request))
    labels = [Label(robot, _qr_code(robot)) for robot in robots.order_by("name", "pk")]
    return render_page(
        request,
        "pages/robot/labels.html",
        "Labels",
        trail=[("Robots", reverse("admin:robots_robot_changelist"))],
        labels=labels,
    )


def _requested_ids(request: HttpRequest) -> list[UUID]:
    ids = []
    for text in request.GET.getlist("robot")[:MAX_LABELS]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids


def _qr_code(robot: Robot) -> str:
    """Return the QR code, of which a quarter may be unreadable."""
    address = f"{settings.WEB_ORIGIN}{reverse('admin:robot_page', args=[robot.pk])}"
    qr = segno.make_qr(address, error="q")
    return str(qr.svg_data_uri(scale=_QR_PX_PER_MODULE, light="#fff"))
