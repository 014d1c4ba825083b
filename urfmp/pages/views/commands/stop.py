"""Request the robots of a place to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode

from apps.organizations.models import Facility
from apps.robots.choices import STOP_REQUEST_NOTICE
from apps.robots.models import Robot
from apps.robots.services.commands.stop_requests import stop_requests_create
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.robot_tabs import RobotTab, tab_address
from urfmp.pages.views.commands.create import MAX_ROBOTS, PERMISSION
from urfmp.pages.views.rendering import render_page, require_permission


class StopForm(forms.Form):
    """Why the robots should stop."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        label="Reason (optional)",
        widget=forms.TextInput(attrs={"class": "u-input", "autocomplete": "off"}),
    )


@dataclass(frozen=True)
class PlaceLink:
    """A link to the stop request of a smaller place."""

    name: str
    count: int
    address: str


def robot_stop_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Ask for confirmation, and request a robot to stop."""
    require_permission(request, PERMISSION)
    robot: Robot = get_object_or_404(Robot.objects.restrict(request.user), pk=robot_id)
    trail = [
        ("Robots", reverse("admin:robots_robot_changelist")),
        (robot.name, tab_address(robot, RobotTab.OVERVIEW)),
    ]
    back = reverse("admin:robot_page", args=[robot.pk])
    return _stop_page(request, [robot], robot.name, back, trail=trail, robot=robot)


def place_stop_page(request: HttpRequest) -> HttpResponse:
    """Ask for confirmation, and request all robots of a place to stop."""
    require_permission(request, PERMISSION)
    facility = request.GET.get("facility", "")
    area, cell = request.GET.get("area", ""), request.GET.get("cell", "")
    if not facility:
        return _choose_facility(request)
    robots = list(
        Robot.objects.restrict(request.user)
        .in_service()
        .filter(location__contains={"facility": facility})
    )
    if area:
        robots = [robot for robot in robots if (robot.location or {}).get("area") == area]
    cells = Counter(str((robot.location or {}).get("cell") or "") for robot in robots)
    if cell:
        robots = [robot for robot in robots if (robot.location or {}).get("cell") == cell]
    if not robots:
        raise Http404
    place = {"facility": facility, **({"area": area} if area else {})}
    words = [facility, f"area {area}" if area else "", f"cell {cell}" if cell else ""]
    name = ", ".join(filter(None, words))
    latched = [robot for robot in robots if robot.stop_latched_at is not None][:MAX_ROBOTS]
    reset_query = urlencode([("type", "reset"), *(("robot", robot.pk) for robot in latched)])
    return _stop_page(
        request,
        robots,
        name,
        reverse("admin:index"),
        trail=[("Robots", reverse("admin:robots_robot_changelist"))],
        cells=[] if cell else _cell_links(place, cells),
        latched=latched,
        reset_url=f"{reverse('admin:commands_page')}?{reset_query}" if latched else "",
    )


def _cell_links(place: dict[str, str], cells: Counter[str]) -> list[PlaceLink]:
    return [
        PlaceLink(cell, count, f"?{urlencode({**place, 'cell': cell})}")
        for cell, count in sorted(cells.items())
        if cell
    ]


def _choose_facility(request: HttpRequest) -> HttpResponse:
    names = Robot.objects.restrict(request.user).in_service().values_list("location", flat=True)
    counts = Counter(str((location or {}).get("facility") or "") for location in names)
    facilities = Facility.objects.restrict(request.user).values_list("name", flat=True)
    links = [
        PlaceLink(name, counts[name], f"?{urlencode({'facility': name})}")
        for name in facilities
        if counts[name]
    ]
    return render_page(
        request,
        "pages/commands/stop_places.html",
        "Request stop",
        facilities=links,
        notice=STOP_REQUEST_NOTICE,
    )


def _stop_page(
    request: HttpRequest, robots: Sequence[Robot], name: str, back: str, **context: Any
) -> HttpResponse:
    user: Any = request.user
    form = StopForm(request.POST if request.method == "POST" else None, label_suffix="")
    if form.is_bound and form.is_valid():
        try:
            stop_requests_create(robots=robots, user=user, reason=form.cleaned_data["reason"])
        except (ApplicationError, ValidationError) as error:
            form.add_error(None, error_messages(error))
        else:
            text = f"Stop requested for {name}. Check at the robot that it has stopped."
            messages.warning(request, text)
            target = back if "robot" in context else request.get_full_path()
            return HttpResponseRedirect(target)
    response = render_page(
        request,
        "pages/commands/stop_robot.html" if "robot" in context else "pages/commands/stop.html",
        "Request stop",
        form=form,
        robots=robots,
        name=name,
        back=back,
        notice=STOP_REQUEST_NOTICE,
        **context,
    )
    response.status_code = 400 if form.is_bound else 200
    return response
