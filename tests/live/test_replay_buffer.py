"""Replay of missed events to clients that reconnect."""

from __future__ import annotations

import uuid

from urfmp.common.redis.events import StatusEvent
from urfmp.live.replay_buffer import ThrottledBuffer
from urfmp.live.send_queue import SendQueue

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def test_replay_after_position_returns_later_frames_of_the_subscribed_robots():
    buffer = ThrottledBuffer(1.0, 0.05)
    buffer.subscribe(SendQueue(), None)
    positions = [buffer.position]
    for robot in (ONE, TWO, ONE):
        buffer.add(StatusEvent(robot, "idle"))
        positions.append(buffer.position)

    def missed(position, robots=None):
        found = buffer.replay_after(position, robots)
        return None if found is None else [frame.robot_id for frame in found]

    assert [missed(position) for position in positions] == [[ONE, TWO, ONE], [TWO, ONE], [ONE], []]
    assert missed(positions[0], frozenset({TWO})) == [TWO]
    assert missed(positions[1], frozenset({ONE})) == [ONE]
    token = positions[0].partition("-")[0]
    for unknown in ("", "x", f"{token}-4", f"{token}--1", f"{token}-²", "0123456789ab-0"):
        assert missed(unknown) is None


def test_replay_after_dropped_frame_returns_none():
    buffer = ThrottledBuffer(1.0, 0.05, max_frames=2)
    buffer.subscribe(SendQueue(), None)
    token = buffer.position.partition("-")[0]
    for _ in range(4):
        buffer.add(StatusEvent(ONE, "idle"))
    assert buffer.replay_after(f"{token}-1", None) is None
    assert [frame.number for frame in buffer.replay_after(f"{token}-2", None)] == [3, 4]
