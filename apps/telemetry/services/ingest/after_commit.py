"""Who is told of points once they are stored. The points are safe whatever happens here."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from apps.robots.services.status import robots_heard
from apps.telemetry.services.ingest.encoding import moment, newest
from apps.telemetry.services.ingest.writer import SheetParcel
from urfmp.common.redis.events import publish, telemetry_events
from urfmp.common.tenancy.context import tenant_transaction

# Seconds: how long a robot that sends may go without being noted, and how often robots are.
_LATEST, _SOON = 4.0, 1.0
_MOST_ORGANIZATIONS = 1_000


def tell(organization_id: UUID, parcels: list[SheetParcel]) -> None:
    """Note robots as heard of, and send live pages the newest point of each of their metrics."""
    done = [parcel for parcel in parcels if parcel.error is None]
    if due := _heard.due(organization_id, {id_ for one in done for id_ in one.sheet.robots}):
        with suppress(DatabaseError, InterfaceError), tenant_transaction(organization_id):
            robots_heard(due)
    points = [
        (*parcel.sheet.series[row.start], moment(row.time), row.value, row.unit)
        for parcel in done
        for row in newest(parcel.stored)
    ]
    if points:
        publish(organization_id, *telemetry_events(points))


@dataclass
class _Ears:
    """When this process noted each robot of an organization, and which it has heard since."""

    noted: dict[UUID, float] = field(default_factory=dict)
    since: set[UUID] = field(default_factory=set)
    noted_any: float = -_LATEST


class _Heard:
    """Keeps the process from asking about the same robots with every batch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._organizations: dict[UUID, _Ears] = {}

    def due(self, organization_id: UUID, robot_ids: set[UUID]) -> set[UUID]:
        """Return the robots to note now: all that were heard since the last time, or none.

        A robot that was not noted for a while is noted at once; the others wait for the next
        second, in which whoever sends notes them all.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._organizations) > _MOST_ORGANIZATIONS:
                self._organizations.clear()
            ears = self._organizations.setdefault(organization_id, _Ears())
            ears.since |= robot_ids
            is_late = any(now - ears.noted.get(id_, -_LATEST) >= _LATEST for id_ in robot_ids)
            if not is_late and now - ears.noted_any < _SOON:
                return set()
            due, ears.since, ears.noted_any = ears.since, set(), now
            ears.noted = {id_: at for id_, at in ears.noted.items() if now - at < _LATEST}
            ears.noted.update(dict.fromkeys(due, now))
            return due


_heard = _Heard()
