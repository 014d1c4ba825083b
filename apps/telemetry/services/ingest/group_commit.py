"""Commit waiting writes of an organization together, as a group.

Concurrent writes are bounded in all and for each organization. Writes that wait at the same time
form a group, which the thread of its first write commits. Organizations are served in turn, and
none may occupy all slots, so that a continuous sender does not delay the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from apps.telemetry.exceptions import BusyError

MAX_CONCURRENT_GROUPS = 3
MAX_CONCURRENT_GROUPS_PER_ORGANIZATION = 2
MAX_POINTS_PER_GROUP = 10_000
# An organization starts another group when this many of its points wait. They keep a processor
# busy; fewer points cost less when they share a group with the next ones.
MIN_POINTS_FOR_ANOTHER_GROUP = 2_500
# A transaction ends sooner by its own time-outs.
_MAX_WAIT_SECONDS = 30.0


class WriteRequest(Protocol):
    """The points that one request wants to store."""

    @property
    def size(self) -> int:
        """Number of points."""
        ...


W = TypeVar("W", bound=WriteRequest)
GroupWriter = Callable[[UUID, list[W]], None]


def _acquired_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False, slots=True)
class _Waiter(Generic[W]):
    """A waiting thread: for its write, or to commit a group."""

    write: W
    # Released to wake the thread: a bare lock costs a tenth of what an Event does.
    wakeup: threading.Lock = field(default_factory=_acquired_lock)
    group: list[_Waiter[W]] | None = None

    def wait(self) -> bool:
        """Return whether the thread was woken in time."""
        return self.wakeup.acquire(timeout=_MAX_WAIT_SECONDS)


class GroupCommitter(Generic[W]):
    """Groups the writes of waiting threads, by organization.

    Args:
        write_group: Commits writes of one organization in the calling thread and sets the result
            of each. It does not raise for errors of a single write.
        after_commit: Called with the same arguments after the waiting threads are released.
        max_groups: Groups that are committed at the same time.
        max_groups_per_organization: How many of them may belong to one organization.
        is_alone: Returns whether no other organization sends. Otherwise an organization gets one
            group at a time.
    """

    def __init__(
        self,
        write_group: GroupWriter[W],
        after_commit: GroupWriter[W],
        max_groups: int = MAX_CONCURRENT_GROUPS,
        max_groups_per_organization: int = MAX_CONCURRENT_GROUPS_PER_ORGANIZATION,
        is_alone: Callable[[UUID], bool] = lambda _: True,
    ) -> None:
        self._write_group = write_group
        self._after_commit = after_commit
        self._max_groups = max_groups
        self._max_groups_per_organization = max_groups_per_organization
        self._is_alone = is_alone
        self._lock = threading.Lock()
        # The first organization is the next one to be served.
        self._queues: OrderedDict[UUID, deque[_Waiter[W]]] = OrderedDict()
        self._active_groups: dict[UUID, int] = {}

    def submit(self, organization_id: UUID, write: W) -> None:
        """Return when the write is done; its own fields have the result.

        Raises:
            BusyError: The write did not finish in time. It was not stored, or a retry will find
                its points stored.
        """
        own = _Waiter(write)
        with self._lock:
            self._queues.setdefault(organization_id, deque()).append(own)
            self._wake_next()
        if not own.wait():
            self._cancel(organization_id, own)
        if own.group is not None:
            self._commit_group(organization_id, own)

    def _cancel(self, organization_id: UUID, own: _Waiter[W]) -> None:
        with self._lock:
            queue = self._queues.get(organization_id, deque())
            if own in queue:
                queue.remove(own)
                if not queue:
                    self._queues.pop(organization_id, None)
                raise BusyError
        # Another thread is committing it.
        if not own.wait():
            raise BusyError

    def _commit_group(self, organization_id: UUID, own: _Waiter[W]) -> None:
        # Avoid reference cycles: points would stay in memory until the next garbage collection.
        group, own.group = own.group or [own], None
        writes = [waiter.write for waiter in group]
        try:
            self._write_group(organization_id, writes)
        finally:
            for waiter in group:
                if waiter is not own:
                    waiter.wakeup.release()
            with self._lock:
                remaining = self._active_groups[organization_id] - 1
                if remaining:
                    self._active_groups[organization_id] = remaining
                else:
                    del self._active_groups[organization_id]
                self._wake_next()
        self._after_commit(organization_id, writes)

    def _wake_next(self) -> None:
        """Start groups while slots are free. The caller holds the lock."""
        while sum(self._active_groups.values()) < self._max_groups:
            if (organization_id := next(filter(self._may_start, self._queues), None)) is None:
                return
            group = self._next_group(organization_id)
            self._active_groups[organization_id] = self._active_groups.get(organization_id, 0) + 1
            group[0].group = group
            group[0].wakeup.release()

    def _may_start(self, organization_id: UUID) -> bool:
        active = self._active_groups.get(organization_id, 0)
        if not 0 < active < self._max_groups_per_organization:
            return active == 0
        waiting = sum(waiter.write.size for waiter in self._queues[organization_id])
        return waiting >= MIN_POINTS_FOR_ANOTHER_GROUP and self._is_alone(organization_id)

    def _next_group(self, organization_id: UUID) -> list[_Waiter[W]]:
        queue = self._queues[organization_id]
        group = [queue.popleft()]
        points = group[0].write.size
        while queue and points + queue[0].write.size <= MAX_POINTS_PER_GROUP:
            points += queue[0].write.size
            group.append(queue.popleft())
        if queue:
            self._queues.move_to_end(organization_id)
        else:
            del self._queues[organization_id]
        return group
