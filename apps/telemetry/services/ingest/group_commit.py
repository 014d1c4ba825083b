"""How much telemetry one process takes in at once, and who stores it.

What is let in is bounded in bytes, for each organization and for all of them; beyond that senders
are told when to come back, before their bodies are read. Of what is let in, requests of one
organization that wait at the same time are stored together by whichever of their threads comes
first. Organizations take turns, and none holds every place, so that one that sends without a
pause does not keep the others waiting.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from apps.telemetry.exceptions import BusyError

# Transactions that store at the same time, in all and for one organization.
PLACES, PLACES_OF_ONE = 3, 2
MOST_ROWS_TOGETHER = 10_000
# An organization gets a further place when so many of its rows wait: they keep a processor busy,
# while fewer cost less together with those that come next.
ROWS_FOR_ANOTHER_PLACE = 2_500
# A transaction ends sooner by its own time-outs.
_LONGEST_WAIT = 30.0


class Parcel(Protocol):
    """What a request wants to have stored."""

    @property
    def size(self) -> int:
        """How many rows it has."""
        ...


P = TypeVar("P", bound=Parcel)
Store = Callable[[UUID, list[P]], None]


def _held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False, slots=True)
class _Waiting(Generic[P]):
    """A thread that waits: until its parcel is stored, or until it is to store a group."""

    parcel: P
    # Held until the thread is called: a bare lock costs a tenth of what an Event does.
    called: threading.Lock = field(default_factory=_held_lock)
    group: list[_Waiting[P]] | None = None

    def wait(self) -> bool:
        """Return whether the thread was called in time."""
        return self.called.acquire(timeout=_LONGEST_WAIT)


class Intake(Generic[P]):
    """Lets waiting threads store their parcels together, an organization at a time.

    Args:
        store: Stores parcels of one organization in the calling thread and notes in each what
            became of it; it does not raise for what concerns a parcel.
        after: Is called with the same once the others go on: what need not be waited for.
        places: How many groups are stored at the same time.
        places_of_one: How many of them may be one organization's.
    """

    def __init__(
        self,
        store: Store[P],
        after: Store[P],
        places: int = PLACES,
        places_of_one: int = PLACES_OF_ONE,
    ) -> None:
        self._store, self._after = store, after
        self._places, self._places_of_one = places, places_of_one
        self._lock = threading.Lock()
        # The first organization is the next to have its turn.
        self._queues: OrderedDict[UUID, deque[_Waiting[P]]] = OrderedDict()
        self._storing: dict[UUID, int] = {}

    def submit(self, organization_id: UUID, parcel: P) -> None:
        """Return when the parcel has been dealt with; the parcel says how.

        Raises:
            BusyError: Its turn did not come in time; it is not stored, or will be found stored.
        """
        own = _Waiting(parcel)
        with self._lock:
            self._queues.setdefault(organization_id, deque()).append(own)
            self._call_next()
        if not own.wait():
            self._give_up(organization_id, own)
        if own.group is not None:
            self._lead(organization_id, own)

    def _give_up(self, organization_id: UUID, own: _Waiting[P]) -> None:
        with self._lock:
            queue = self._queues.get(organization_id, deque())
            if own in queue:
                queue.remove(own)
                if not queue:
                    self._queues.pop(organization_id, None)
                raise BusyError
        # Somebody is storing it right now.
        if not own.wait():
            raise BusyError

    def _lead(self, organization_id: UUID, own: _Waiting[P]) -> None:
        # Nothing may refer to itself: rows would wait for the collector to come by.
        group, own.group = own.group or [own], None
        parcels = [one.parcel for one in group]
        try:
            self._store(organization_id, parcels)
        finally:
            for one in group:
                if one is not own:
                    one.called.release()
            with self._lock:
                left = self._storing[organization_id] - 1
                if left:
                    self._storing[organization_id] = left
                else:
                    del self._storing[organization_id]
                self._call_next()
        self._after(organization_id, parcels)

    def _call_next(self) -> None:
        """Give free places to those whose turn it is; the lock is held."""
        while sum(self._storing.values()) < self._places:
            if (organization_id := next(filter(self._may_store, self._queues), None)) is None:
                return
            group = self._take(organization_id)
            self._storing[organization_id] = self._storing.get(organization_id, 0) + 1
            group[0].group = group
            group[0].called.release()

    def _may_store(self, organization_id: UUID) -> bool:
        storing = self._storing.get(organization_id, 0)
        if not 0 < storing < self._places_of_one:
            return storing == 0
        waiting = sum(one.parcel.size for one in self._queues[organization_id])
        return waiting >= ROWS_FOR_ANOTHER_PLACE

    def _take(self, organization_id: UUID) -> list[_Waiting[P]]:
        queue = self._queues[organization_id]
        group = [queue.popleft()]
        rows = group[0].parcel.size
        while queue and rows + queue[0].parcel.size <= MOST_ROWS_TOGETHER:
            rows += queue[0].parcel.size
            group.append(queue.popleft())
        if queue:
            self._queues.move_to_end(organization_id)
        else:
            del self._queues[organization_id]
        return group
