"""Send due deliveries, one sender at a time.

The sender holds an advisory lock for its run, so another worker takes over as soon as its database
connection ends. A delivery that a dead sender was sending is sent again at once, under the same id.
Critical alerts have threads of their own, and a channel occupies some threads only, so that a slow
receiver holds up nothing but itself.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from uuid import UUID

from django.db import DatabaseError, connection

from apps.alerts.choices.notifications import RETRY_DELAYS
from apps.alerts.models.deliveries import COMMON_LANE, CRITICAL_LANE
from apps.alerts.services.notifications.attempts import AttemptResult
from apps.alerts.services.notifications.claims import (
    Capacity,
    Leased,
    deliveries_claim,
    organizations_with_due_deliveries,
)
from apps.alerts.services.notifications.results import result_store
from urfmp.common.tenancy.context import tenant_transaction

logger = logging.getLogger(__name__)

THREADS_PER_LANE = 24
MAX_MESSAGES_PER_CHANNEL = 12
_LOCK = "alerts.sender"
_POLL_SECONDS = 0.25
_MIN_POLL_SECONDS = 0.05
# A run ends when nothing becomes due within the interval of the periodic job.
_IDLE_SECONDS = 5.0


@contextmanager
def _sender_lock() -> Iterator[bool]:
    """Hold the lock of the only sender; yield whether it was free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [_LOCK])
        is_free = bool(cursor.fetchone()[0])
    try:
        yield is_free
    finally:
        if is_free and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [_LOCK])


def deliveries_send(
    *,
    max_seconds: float | None = None,
    retry_delays: Sequence[timedelta] = RETRY_DELAYS,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Send deliveries until none is due soon; return the number of messages.

    Returns 0 at once if another sender is running.

    Args:
        max_seconds: Time after which no further message is started; default: none.
        retry_delays: Waits between attempts.
        is_stopped: Returns whether no further message may be started.
    """
    with _sender_lock() as is_free:
        if not is_free:
            return 0
        run = _Run(retry_delays)
        try:
            return run.send(max_seconds, is_stopped)
        finally:
            run.close()


class _Run:
    """One run of the sender, with its lease and threads."""

    def __init__(self, retry_delays: Sequence[timedelta]) -> None:
        self._lease_id: UUID = uuid.uuid4()
        self._retry_delays = retry_delays
        self._pools = {
            lane: ThreadPoolExecutor(THREADS_PER_LANE, thread_name_prefix=f"sender-{lane}")
            for lane in (CRITICAL_LANE, COMMON_LANE)
        }
        self._sending: dict[Future[AttemptResult], tuple[int, Leased]] = {}
        self._failed: set[UUID] = set()
        self._sent = 0

    def send(self, max_seconds: float | None, is_stopped: Callable[[], bool]) -> int:
        end = None if max_seconds is None else monotonic() + max_seconds
        while True:
            is_over = is_stopped() or (end is not None and monotonic() >= end)
            next_seconds = 0.0 if is_over else self._start()
            if not self._sending and (is_over or next_seconds > _IDLE_SECONDS):
                return self._sent
            self._finish(min(max(next_seconds, _MIN_POLL_SECONDS), _POLL_SECONDS))

    def _start(self) -> float:
        """Start due messages; return the seconds until the next is due."""
        next_seconds = float("inf")
        for organization_id, seconds in organizations_with_due_deliveries(self._lease_id):
            if organization_id in self._failed:
                continue
            next_seconds = min(next_seconds, seconds)
            if seconds <= 0:
                for lane in self._pools:
                    self._start_lane(organization_id, lane)
        return next_seconds

    def _start_lane(self, organization_id: UUID, lane: int) -> None:
        capacity = self._capacity(lane)
        if capacity.messages <= 0:
            return
        try:
            with tenant_transaction(organization_id):
                leased = deliveries_claim(lane, self._lease_id, capacity)
        except DatabaseError:
            # The other organizations go on; without the database the next query ends the run.
            logger.exception("Deliveries of %s could not be claimed.", organization_id)
            self._failed.add(organization_id)  # until the next run
            return
        for item in leased:
            future = self._pools[lane].submit(item.message.send)
            self._sending[future] = lane, item
            self._sent += 1

    def _capacity(self, lane: int) -> Capacity:
        own = [item for of_lane, item in self._sending.values() if of_lane == lane]
        all_items = [item for _, item in self._sending.values()]
        return Capacity(
            messages=THREADS_PER_LANE - len(own),
            per_channel=MAX_MESSAGES_PER_CHANNEL,
            busy=dict(Counter(str(item.channel_id) for item in own)),
            takes_suspect=not any(item.is_suspect for item in all_items),
            leased=[pk for item in all_items for pk in item.ids],
        )

    def _finish(self, seconds: float) -> None:
        """Wait for messages, and store the results of finished ones."""
        if not self._sending:
            sleep(seconds)
            return
        done, _ = wait(self._sending, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            _, item = self._sending.pop(future)
            self._store(item, _result(future))

    def _store(self, item: Leased, result: AttemptResult) -> None:
        with tenant_transaction(item.organization_id):
            result_store(item.ids, self._lease_id, result, retry_delays=self._retry_delays)

    def close(self) -> None:
        """End the threads after their current message."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[AttemptResult]) -> AttemptResult:
    try:
        return future.result()
    except Exception:
        logger.exception("A notification could not be sent.")
        return AttemptResult(False, 0, error="An unexpected error, see the worker's log.")
