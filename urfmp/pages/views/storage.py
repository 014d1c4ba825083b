"""How much telemetry is kept, how fast it grows, and what goes when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.telemetry.selectors.storage import (
    storage_of_chunks,
    storage_of_organization,
    storage_of_organizations,
    storage_of_tables,
)
from apps.telemetry.services.retention import retention_of, timescaledb_edition
from urfmp.pages.views.rendering import page, require

_DAYS = 30
_HEIGHT, _STEP = 120, 20
_RUNS_AT = (37, 6)  # minute, and every so many hours: the job `telemetry.forget`


@dataclass(frozen=True)
class Bar:
    """One bar of a picture, measured in its units, with the sentence that it stands for."""

    x: int
    y: int
    width: int
    height: int
    text: str
    is_marked: bool = False


def storage_page(request: HttpRequest) -> HttpResponse:
    """Show the organization's own numbers; to people of the platform all of them."""
    require(request, "telemetry.view_storage")
    person: Any = request.user
    own = storage_of_organization(person.organization_id)
    now = timezone.now()
    context: dict[str, Any] = {
        "own": own,
        "own_bars": _day_bars(own.days, now),
        "days_shown": _DAYS,
        "most_a_day": max((points for _, points in own.days), default=0),
        "kept": list(retention_of(person.organization)),
        "next_run": _next_run(now),
        "picture": {"width": _DAYS * _STEP, "height": _HEIGHT},
    }
    if person.has_perm("telemetry.view_platformstorage"):
        chunks = storage_of_chunks()
        context |= {
            "is_platform": True,
            "edition": timescaledb_edition(),
            "tables": storage_of_tables(),
            "chunk_bars": _bars(
                [
                    (
                        chunk.total_bytes,
                        f"{chunk.start:%Y-%m-%d %H:%M} to {chunk.end:%Y-%m-%d %H:%M} UTC: "
                        f"{_megabytes(chunk.total_bytes)}"
                        + (", compressed" if chunk.is_compressed else ""),
                        chunk.is_compressed,
                    )
                    for chunk in chunks
                ]
            ),
            "largest_chunk": max((chunk.total_bytes for chunk in chunks), default=0),
            "chunk_picture": {"width": max(len(chunks), 1) * _STEP, "height": _HEIGHT},
            "organizations": storage_of_organizations(),
        }
    return page(request, "pages/storage.html", "Storage", **context)


def _day_bars(days: list[tuple[datetime, int]], now: datetime) -> list[Bar]:
    points = {at.astimezone(UTC).date(): count for at, count in days}
    today = now.astimezone(UTC).date()
    shown = [today - timedelta(days=n) for n in reversed(range(_DAYS))]
    return _bars(
        [(points.get(day, 0), f"{day}: {points.get(day, 0):,} points", False) for day in shown]
    )


def _bars(values: list[tuple[int, str, bool]]) -> list[Bar]:
    """Return bars side by side; the highest fills the picture, the least that is not 0 shows."""
    most = max((value for value, _, _ in values), default=0) or 1
    bars = []
    for number, (value, text, is_marked) in enumerate(values):
        height = max(round(value / most * _HEIGHT), 2 if value else 0)
        bars.append(
            Bar(number * _STEP, _HEIGHT - height, _STEP - 4, height, text, is_marked=is_marked)
        )
    return bars


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MB"


def _next_run(now: datetime) -> datetime:
    minute, hours = _RUNS_AT
    at = now.astimezone(UTC).replace(minute=minute, second=0, microsecond=0)
    at -= timedelta(hours=at.hour % hours)
    while at <= now:
        at += timedelta(hours=hours)
    return at
