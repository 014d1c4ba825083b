"""Bound the bytes of telemetry that a process holds in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from apps.telemetry.exceptions import BusyError, OrganizationOverloadedError

_MEGABYTE = 1024 * 1024
MAX_BYTES_TOTAL = 12 * _MEGABYTE
# Each request occupies a thread of the server. An organization that sends large batches is
# rejected before it occupies all threads.
MAX_BYTES_PER_ORGANIZATION = 5 * _MEGABYTE


class ByteBudget:
    """Counts the bytes of the requests that this process is handling."""

    def __init__(
        self,
        max_total: int = MAX_BYTES_TOTAL,
        max_per_organization: int = MAX_BYTES_PER_ORGANIZATION,
    ) -> None:
        self._max_total = max_total
        self._max_per_organization = max_per_organization
        self._lock = threading.Lock()
        self._reserved: dict[UUID, int] = {}
        self._total = 0

    @contextmanager
    def reserve(self, organization_id: UUID, size: int) -> Iterator[Reservation]:
        """Reserve bytes for the duration of a block.

        Raises:
            OrganizationOverloadedError: The organization would exceed its share.
            BusyError: All organizations together would exceed the total.
        """
        reservation = Reservation(self, organization_id)
        reservation.extend(size)
        try:
            yield reservation
        finally:
            self.resize(reservation, -reservation.size)

    def resize(self, reservation: Reservation, change: int) -> None:
        """Change a reservation's size. A reservation without competitors may have any size."""
        with self._lock:
            reserved = self._reserved.get(reservation.organization_id, 0)
            if (
                change > 0
                and reserved > reservation.size
                and reserved + change > self._max_per_organization
            ):
                raise OrganizationOverloadedError
            if (
                change > 0
                and self._total > reservation.size
                and self._total + change > self._max_total
            ):
                raise BusyError
            reservation.size += change
            self._total += change
            self._reserved[reservation.organization_id] = reserved + change
            if reserved + change <= 0:
                del self._reserved[reservation.organization_id]


@dataclass
class Reservation:
    """The bytes of a budget that one request occupies."""

    budget: ByteBudget
    organization_id: UUID
    size: int = 0

    def extend(self, size: int) -> None:
        """Reserve more bytes, as when a body is larger after decompression.

        Raises:
            BusyError: The budget does not allow it.
        """
        self.budget.resize(self, size)
