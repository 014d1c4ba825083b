"""Floor maps: the robots of a facility where they are."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.organizations.models import Facility, FloorPlan
from apps.robots.models import Robot
from apps.robots.services.placement import robot_place
from urfmp.common.admin.forms import error_messages
from urfmp.common.db.names import normalize_name
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.selectors.fleet_tree import fleet_tree, stop_address
from urfmp.pages.selectors.floor_map import (
    MAX_POSITION_METRES,
    MapBox,
    RobotPosition,
    facility_robots,
    map_json,
    robot_positions,
    robots_by_urgency,
)
from urfmp.pages.views.rendering import render_page, require_permission

TITLE = "Floor maps"
_ROBOTS_PER_PAGE = 50
_NUMBER = {"class": "u-input", "step": "any", "inputmode": "decimal"}
# Placeholder in addresses, which the script replaces by the id of a robot.
_ANY_ROBOT = UUID(int=0)


class PlaceForm(forms.Form):
    """Position of a robot in its facility."""

    x_m = forms.FloatField(
        min_value=-MAX_POSITION_METRES,
        max_value=MAX_POSITION_METRES,
        label="X (m)",
        widget=forms.NumberInput(attrs=_NUMBER),
    )
    y_m = forms.FloatField(
        min_value=-MAX_POSITION_METRES,
        max_value=MAX_POSITION_METRES,
        label="Y (m)",
        widget=forms.NumberInput(attrs=_NUMBER),
    )
    heading = forms.FloatField(
        required=False,
        min_value=-360,
        max_value=360,
        label="Heading (degrees, optional)",
        widget=forms.NumberInput(attrs=_NUMBER),
    )


def floor_maps_page(request: HttpRequest) -> HttpResponse:
    """List the facilities with their maps; `?facility=` leads to one by name."""
    require_permission(request, "robots.view_robot")
    facilities = Facility.objects.restrict(request.user)
    if name := request.GET.get("facility"):
        wanted = facilities.filter(name=normalize_name(name)).first()
        if wanted is None:
            raise Http404
        query = urlencode({k: str(v) for k, v in request.GET.items() if k in {"robot", "q"}})
        address = reverse("admin:floor_map_page", args=[wanted.pk])
        return HttpResponseRedirect(f"{address}?{query}" if query else address)
    number = request.GET.get("page", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 7
    part = fleet_tree(request.user, (), int(number) if is_number else 1)
    names = [node.path[0] for node in part.nodes]
    ids = dict(facilities.filter(name__in=names).values_list("name", "pk"))
    rows = [(node, ids[node.path[0]]) for node in part.nodes if node.path[0] in ids]
    return render_page(request, "pages/floor_map/maps.html", TITLE, rows=rows, part=part)


def floor_map_page(request: HttpRequest, facility_id: UUID) -> HttpResponse:
    """Show a facility's robots on a map, and place one of them."""
    require_permission(request, "robots.view_robot")
    user: Any = request.user
    facility: Facility = get_object_or_404(Facility.objects.restrict(user), pk=facility_id)
    robots = facility_robots(user, facility)
    chosen = _chosen_robot(request, robots)
    may_place = bool(user.has_perm("robots.change_robot"))
    form = None
    if chosen is not None and may_place and "place" in request.GET:
        form, response = _place(request, facility, chosen)
        if response is not None:
            return response
    elif request.method == "POST":
        require_permission(request, "robots.change_robot")
        raise Http404
    words = normalize_name(request.GET.get("q", ""))[:100]
    listed = robots.filter(name__icontains=words) if words else robots
    page = Paginator(robots_by_urgency(listed), _ROBOTS_PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    positions = robot_positions(user, [*shown, *([chosen] if chosen else [])])
    plan = FloorPlan.objects.restrict(user).without_picture().filter(facility=facility).first()
    rendered = render_page(
        request,
        "pages/floor_map/map.html",
        facility.name,
        trail=[(TITLE, reverse("admin:floor_maps_page"))],
        facility=facility,
        plan=plan,
        map=_map_context(facility, plan, positions.get(chosen.pk) if chosen else None),
        rows=[(robot, positions.get(robot.pk)) for robot in shown],
        page=page,
        words=words,
        chosen=chosen,
        chosen_position=positions.get(chosen.pk) if chosen else None,
        form=form,
        may_place=may_place,
        may_command=user.has_perm("robots.add_robotcommand"),
        stop_address=stop_address((facility.name,)),
        any_robot=_ANY_ROBOT,
        as_of=timezone.now(),
        plant_timezone=facility.timezone or user.organization.timezone,
    )
    rendered.status_code = 400 if form is not None and form.is_bound else 200
    return rendered


def _chosen_robot(request: HttpRequest, robots: Any) -> Robot | None:
    try:
        robot_id = UUID(request.GET.get("robot", ""))
    except ValueError:
        return None
    robot: Robot | None = robots.filter(pk=robot_id).first()
    return robot


def _place(
    request: HttpRequest, facility: Facility, robot: Robot
) -> tuple[PlaceForm, HttpResponse | None]:
    """Return the form, and the redirect after the robot was placed."""
    position = robot_positions(request.user, [robot]).get(robot.pk)
    form = PlaceForm(
        request.POST if request.method == "POST" else None,
        initial=_initial(position),
        label_suffix="",
    )
    if not (form.is_bound and form.is_valid()):
        return form, None
    degrees = form.cleaned_data["heading"]
    try:
        robot_place(
            robot,
            facility=facility.name,
            x_m=form.cleaned_data["x_m"],
            y_m=form.cleaned_data["y_m"],
            theta_rad=None if degrees is None else round(math.radians(degrees), 6),
        )
    except (ApplicationError, ValidationError) as error:
        form.add_error(None, error_messages(error))
        return form, None
    messages.success(request, f"{robot.name} placed on the map.")
    return form, HttpResponseRedirect(f"{request.path}?robot={robot.pk}")


def _initial(position: RobotPosition | None) -> dict[str, float]:
    if position is None:
        return {}
    heading = position.heading_rad
    return {
        "x_m": round(position.x_m, 3),
        "y_m": round(position.y_m, 3),
        **({} if heading is None else {"heading": round(math.degrees(heading), 1)}),
    }


def _map_context(
    facility: Facility, plan: FloorPlan | None, focus: RobotPosition | None
) -> dict[str, Any]:
    """Return what the script draws the map from.

    Args:
        facility: Facility of the map.
        plan: Its plan, if any.
        focus: Position in the centre of the map; None to show everything.
    """
    calibration = plan.solved_calibration if plan else None
    size = facility.floor_plan or {}
    return {
        "robots": reverse("admin:floor_map_robots", args=[facility.pk]),
        "plan": (
            {
                "matrix": calibration.matrix(),
                "width": plan.width_px,
                "height": plan.height_px,
            }
            if plan and calibration
            else None
        ),
        "focus": [focus.x_m, focus.y_m] if focus else None,
        "floor": [size["width_m"], size["height_m"]] if size else None,
    }


def floor_map_robots(request: HttpRequest, facility_id: UUID) -> HttpResponse:
    """Return the robots in a part of a facility, as JSON."""
    require_permission(request, "robots.view_robot")
    facility = get_object_or_404(Facility.objects.restrict(request.user), pk=facility_id)
    body = map_json(request.user, facility, _requested_box(request))
    return HttpResponse(body, content_type="application/json")


def _requested_box(request: HttpRequest) -> MapBox | None:
    """Return the requested part of the facility; None for all of it."""
    try:
        left, bottom, right, top, cell = map(float, request.GET.get("box", "").split(","))
    except ValueError:
        return None
    numbers = (left, bottom, right, top, cell)
    is_valid = all(math.isfinite(number) and abs(number) <= 1e9 for number in numbers)
    return MapBox(*numbers) if is_valid and left <= right and bottom <= top and cell >= 0 else None
