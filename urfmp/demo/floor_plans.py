"""Floor plans of the demo facilities, drawn around their robots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from xml.sax.saxutils import escape

from apps.organizations.models import Facility
from apps.organizations.services.floor_plans import floor_plan_calibrate, floor_plan_upload
from urfmp.demo.fleet import FacilityPlan, RobotPlan

_PIXELS_PER_METRE = 20
_AREA_MARGIN_METRES = 3.0
_DOOR_METRES = 4.0
_STYLE = (
    ".wall{fill:none;stroke:#3c4650;stroke-width:8}.area{fill:#eef2f6;stroke:#9aa7b4;"
    "stroke-width:2;stroke-dasharray:10 6}.floor{fill:#ffffff}.grid{stroke:#eef0f2;stroke-width:1}"
    ".door{stroke:#ffffff;stroke-width:10}text{font:28px sans-serif;fill:#66727e}"
)


def floor_plan_load(facility: Facility, plan: FacilityPlan, robots: Iterable[RobotPlan]) -> None:
    """Draw, store and calibrate the plan of a demo facility."""
    drawing = floor_plan_svg(plan, robots)
    stored = floor_plan_upload(facility, file_name="plan.svg", content=drawing.encode())
    points = [
        {"x_px": 0, "y_px": stored.height_px, "x_m": 0, "y_m": 0},
        {"x_px": stored.width_px, "y_px": stored.height_px, "x_m": plan.width_m, "y_m": 0},
    ]
    floor_plan_calibrate(stored, points=points, digest=stored.digest)


def floor_plan_svg(plan: FacilityPlan, robots: Iterable[RobotPlan]) -> str:
    """Return a drawing of walls, doors and the robots' areas."""
    width, height = (side * _PIXELS_PER_METRE for side in (plan.width_m, plan.height_m))
    grid = [f"M{x} 0V{height:g}" for x in range(0, int(width), 5 * _PIXELS_PER_METRE)]
    grid += [f"M0 {y}H{width:g}" for y in range(0, int(height), 5 * _PIXELS_PER_METRE)]
    areas: dict[str, list[RobotPlan]] = defaultdict(list)
    for robot in robots:
        if robot.facility == plan.name:
            areas[robot.area].append(robot)
    door = _DOOR_METRES * _PIXELS_PER_METRE
    doors = (
        f"M{width / 2 - door / 2:g} 4h{door:g}"
        f"M{width / 4:g} {height - 4:g}h{door:g}"
        f"M4 {height / 2:g}v{door:g}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="floor" width="{width:g}" height="{height:g}"/>',
        f'<path class="grid" d="{"".join(grid)}"/>',
        *(_area(name, inside, plan) for name, inside in areas.items()),
        f'<rect class="wall" x="4" y="4" width="{width - 8:g}" height="{height - 8:g}"/>',
        f'<path class="door" d="{doors}"/>',
        "</svg>",
    ]
    return "".join(parts)


def _area(name: str, robots: list[RobotPlan], plan: FacilityPlan) -> str:
    """Return the outline of an area around its robots, with its name."""
    margin = _AREA_MARGIN_METRES
    left = max(min(robot.x_m for robot in robots) - margin, 0.5)
    right = min(max(robot.x_m for robot in robots) + margin, plan.width_m - 0.5)
    bottom = max(min(robot.y_m for robot in robots) - margin, 0.5)
    top = min(max(robot.y_m for robot in robots) + margin, plan.height_m - 0.5)
    x, y = left * _PIXELS_PER_METRE, (plan.height_m - top) * _PIXELS_PER_METRE
    width, height = ((right - left) * _PIXELS_PER_METRE, (top - bottom) * _PIXELS_PER_METRE)
    return (
        f'<rect class="area" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'
        f'<text x="{x + 10:g}" y="{y + 34:g}">{escape(name)}</text>'
    )
