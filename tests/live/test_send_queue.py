from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

from urfmp.live.send_queue import SendQueue, SseFrame

ROBOT = uuid.uuid4()


def test_full_queue_drops_oldest_telemetry_and_keeps_latest_statuses():
    queue = SendQueue()
    for number in range(1, 101):
        is_status = number % 10 == 0
        queue.put(SseFrame(number, ROBOT, is_status, b"%03d" % number + b"x" * 20_000))
    queue.put_control("reset", b"reset")
    # In a separate thread: a browser test may have left an event loop in this one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(asyncio.run, queue.get()).result()
    assert data.startswith(b"reset")
    numbers = [int(part) for part in data.removeprefix(b"reset").split(b"x") if part]
    assert numbers == sorted(numbers)
    assert [number for number in numbers if number % 10 == 0] == [100]
    assert numbers[-2:] == [99, 100]
    assert len(data) < 600_000
