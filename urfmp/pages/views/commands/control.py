"""Take over control of a robot from another user, or release it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from apps.robots.models import Robot
from apps.robots.services.commands.leases import lease_release, lease_take_over
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.robot_tabs import RobotTab, tab_address
from urfmp.pages.views.commands.create import PERMISSION
from urfmp.pages.views.rendering import render_page, require_permission


def robot_control_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Ask for confirmation, and give the user control of a robot."""
    require_permission(request, PERMISSION)
    user: Any = request.user
    rows = Robot.objects.restrict(user).select_related("lease_user")
    robot: Robot = get_object_or_404(rows, pk=robot_id)
    if request.method == "POST":
        is_release = "release" in request.POST
        try:
            (lease_release if is_release else lease_take_over)(robot, user)
        except ApplicationError as error:
            messages.error(request, error.message)
        else:
            text = "You released control of" if is_release else "You control"
            messages.success(request, f"{text} {robot.name}.")
        return HttpResponseRedirect(reverse("admin:robot_command_page", args=[robot.pk]))
    return render_page(
        request,
        "pages/commands/control.html",
        "Control",
        trail=[
            ("Robots", reverse("admin:robots_robot_changelist")),
            (robot.name, tab_address(robot, RobotTab.OVERVIEW)),
        ],
        robot=robot,
        now=timezone.now(),
    )
