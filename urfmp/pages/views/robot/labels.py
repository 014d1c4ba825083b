"""Printable labels with the QR codes of robots."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.maintenance.selectors.work_requests import label_tokens
from apps.maintenance.services.robot_labels import robot_labels_issue, robot_labels_revoke
from apps.robots.models import Robot
from urfmp.pages.views.rendering import render_page, require_permission
from urfmp.pages.views.robot.scanned import label_url

MAX_LABELS = 100
_QR_PX_PER_MODULE = 3


@dataclass(frozen=True)
class Label:
    """A label of a robot.

    Attributes:
        robot: The robot.
        qr_code: Address behind the label as a picture in a data URI.
        accepts_requests: Whether it lets people without a login report problems.
    """

    robot: Robot
    qr_code: str
    accepts_requests: bool


def robot_labels_page(request: HttpRequest) -> HttpResponse:
    """Show a sheet of labels, or change whether they accept requests.

    The address names the robots, which are sorted by name. A QR code leads to the robot's page,
    which asks for a login. One that accepts work requests contains a secret, with which a visitor
    reports a problem of its robot.
    """
    require_permission(request, "robots.view_robot")
    rows = Robot.objects.restrict(request.user).filter(pk__in=_requested_ids(request))
    robots = list(rows.order_by("name", "pk"))
    if request.method == "POST":
        return _change_labels(request, robots)
    tokens = label_tokens(robot.pk for robot in robots)
    labels = [
        Label(robot, _qr_code(label_url(robot, tokens.get(robot.pk))), robot.pk in tokens)
        for robot in robots
    ]
    return render_page(
        request,
        "pages/robot/labels.html",
        "Labels",
        trail=[("Robots", reverse("admin:robots_robot_changelist"))],
        labels=labels,
        accepting_count=len(tokens),
        can_issue=any(robot.is_active and robot.pk not in tokens for robot in robots),
    )


def _change_labels(request: HttpRequest, robots: list[Robot]) -> HttpResponse:
    if request.POST.get("do") == "revoke":
        require_permission(request, "maintenance.delete_robotlabel")
        count = robot_labels_revoke(robots)
        messages.success(request, f"{count} label{'' if count == 1 else 's'} revoked.")
    else:
        require_permission(request, "maintenance.add_robotlabel")
        count = robot_labels_issue(robots)
        noun = "label accepts" if count == 1 else "labels accept"
        text = f"{count} {noun} reports without a login now. Print the sheet."
        messages.success(request, text)
    return HttpResponseRedirect(request.get_full_path())


def _requested_ids(request: HttpRequest) -> list[UUID]:
    ids = []
    for text in request.GET.getlist("robot")[:MAX_LABELS]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids


def _qr_code(address: str) -> str:
    """Return the QR code, of which a quarter may be unreadable."""
    qr = segno.make_qr(address, error="q")
    return str(qr.svg_data_uri(scale=_QR_PX_PER_MODULE, light="#fff"))
