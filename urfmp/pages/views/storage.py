"""Storage page: stored telemetry, its growth and its retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.telemetry.selectors.retention import get_organization_retention, timescaledb_edition
from apps.telemetry.selectors.storage import (
    DAYS_SHOWN,
    get_chunk_storage,
    get_organization_storage,
    get_organization_storage_summaries,
    get_table_storage,
)
from urfmp.common.rendering.formats import (
    format_bytes,
    format_date,
    format_datetime,
    format_number,
)
from urfmp.common.time.zones import zone_or_utc
from urfmp.pages.views.rendering import render_page, require_permission

_CHART_HEIGHT = 120
_BAR_STEP = 20
_PURGE_SCHEDULE = (37, 6)  # minute, and every so many hours: the job `telemetry.purge_expired`


@dataclass(frozen=True)
class Bar:
    """A bar of a chart in SVG units, with tooltip text."""

    x: int
    y: int
    width: int
    height: int
    text: str
    is_marked: bool = False


def storage_page(request: HttpRequest) -> HttpResponse:
    """Show the organization's storage, and to platform staff everyone's."""
    require_permission(request, "telemetry.view_storage")
    user: Any = request.user
    zone = zone_or_utc(user.organization.timezone)
    own = get_organization_storage(user.organization_id, zone)
    now = timezone.now()
    context: dict[str, Any] = {
        "own": own,
        "day_bars": _day_bars(own.days, now.astimezone(zone).date()),
        "days_shown": DAYS_SHOWN,
        "days_timezone": zone.key,
        "max_points_per_day": max((points for _, points in own.days), default=0),
        "retention": list(get_organization_retention(user.organization)),
        "next_purge": _next_purge(now),
        "day_chart": {"width": DAYS_SHOWN * _BAR_STEP, "height": _CHART_HEIGHT},
    }
    if user.has_perm("telemetry.view_platformstorage"):
        chunks = get_chunk_storage()
        context |= {
            "is_platform": True,
            "edition": timescaledb_edition(),
            "tables": get_table_storage(),
            "chunk_bars": _bars(
                [
                    (
                        chunk.total_bytes,
                        f"{format_datetime(chunk.start)} to {format_datetime(chunk.end)}: "
                        f"{format_bytes(chunk.total_bytes)}"
                        + (", compressed" if chunk.is_compressed else ""),
                        chunk.is_compressed,
                    )
                    for chunk in chunks
                ]
            ),
            "largest_chunk": max((chunk.total_bytes for chunk in chunks), default=0),
            "chunk_chart": {"width": max(len(chunks), 1) * _BAR_STEP, "height": _CHART_HEIGHT},
            "organizations": get_organization_storage_summaries(),
        }
    return render_page(request, "pages/storage.html", "Storage", **context)


def _day_bars(days: list[tuple[date, int]], today: date) -> list[Bar]:
    points = dict(days)
    shown = [today - timedelta(days=n) for n in reversed(range(DAYS_SHOWN))]
    return _bars(
        [
            (
                points.get(day, 0),
                f"{format_date(day)}: {format_number(points.get(day, 0))} points",
                False,
            )
            for day in shown
        ]
    )


def _bars(values: list[tuple[int, str, bool]]) -> list[Bar]:
    """Return bars scaled to the chart height; values above 0 stay visible."""
    highest = max((value for value, _, _ in values), default=0) or 1
    bars = []
    for number, (value, text, is_marked) in enumerate(values):
        height = max(round(value / highest * _CHART_HEIGHT), 2 if value else 0)
        bars.append(
            Bar(
                number * _BAR_STEP,
                _CHART_HEIGHT - height,
                _BAR_STEP - 4,
                height,
                text,
                is_marked=is_marked,
            )
        )
    return bars


def _next_purge(now: datetime) -> datetime:
    minute, hours = _PURGE_SCHEDULE
    at = now.astimezone(UTC).replace(minute=minute, second=0, microsecond=0)
    at -= timedelta(hours=at.hour % hours)
    while at <= now:
        at += timedelta(hours=hours)
    return at
