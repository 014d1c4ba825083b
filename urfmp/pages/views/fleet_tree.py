"""The fleet by facility, area and cell."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.robots.selectors.places import PLACE_LEVELS
from urfmp.pages.selectors.fleet_tree import fleet_tree, stop_address, tree_address
from urfmp.pages.views.rendering import render_page, require_permission

TITLE = "Fleet by facility"


def fleet_tree_page(request: HttpRequest) -> HttpResponse:
    """Show the places below a facility or area, or all facilities.

    The script of the page loads the same page for each node that is opened, and inserts its list.
    """
    require_permission(request, "robots.view_robot")
    path = _path(request)
    number = request.GET.get("page", "")
    part = fleet_tree(request.user, path, int(number) if _is_page_number(number) else 1)
    names = [name or f"No {level}" for level, name in zip(PLACE_LEVELS, path, strict=False)]
    trail = [(TITLE, tree_address(()))] if path else []
    trail += [(name, tree_address(path[: i + 1])) for i, name in enumerate(names[:-1])]
    separator = "&" if path else "?"
    return render_page(
        request,
        "pages/fleet_tree.html",
        names[-1] if names else TITLE,
        trail=trail,
        part=part,
        next_address=f"{tree_address(path)}{separator}page={part.next_page}",
        previous_address=f"{tree_address(path)}{separator}page={part.page - 1}",
        stop_address=stop_address(path) or reverse("admin:place_stop_page"),
        map_address=_map_address(path),
        as_of=timezone.now(),
    )


def _map_address(path: tuple[str, ...]) -> str:
    """Return the address of the facility's map; empty without a facility."""
    if not path or not path[0]:
        return ""
    return f"{reverse('admin:floor_maps_page')}?{urlencode({'facility': path[0]})}"


def _path(request: HttpRequest) -> tuple[str, ...]:
    """Return the names in the address."""
    path: list[str] = []
    for level in PLACE_LEVELS[:-1]:
        if (name := request.GET.get(level)) is None:
            break
        path.append(name.strip())
    return tuple(path)


def _is_page_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len("100000")
