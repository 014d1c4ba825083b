"""What a client that returns is sent of what it has missed."""

from __future__ import annotations

import uuid

from urfmp.common.redis.events import StatusEvent
from urfmp.live.replay_buffer import Feed
from urfmp.live.send_queue import Mailbox

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def test_missed_frames_are_those_after_a_position_and_of_the_robots_that_are_watched():
    feed = Feed(1.0, 0.05)
    feed.join(Mailbox(), None)
    positions = [feed.position]
    for robot in (ONE, TWO, ONE):
        feed.add(StatusEvent(robot, "idle"))
        positions.append(feed.position)

    def missed(position, robots=None):
        found = feed.since(position, robots)
        return None if found is None else [frame.robot_id for frame in found]

    assert [missed(position) for position in positions] == [[ONE, TWO, ONE], [TWO, ONE], [ONE], []]
    assert missed(positions[0], frozenset({TWO})) == [TWO]
    assert missed(positions[1], frozenset({ONE})) == [ONE]
    token = positions[0].partition("-")[0]
    for unknown in ("", "x", f"{token}-4", f"{token}--1", f"{token}-²", "0123456789ab-0"):
        assert missed(unknown) is None


def test_a_feed_that_has_forgotten_its_first_frames_says_so(monkeypatch):
    monkeypatch.setattr("urfmp.live.replay_buffer._KEPT_FRAMES", 2)
    feed = Feed(1.0, 0.05)
    feed.join(Mailbox(), None)
    token = feed.position.partition("-")[0]
    for _ in range(4):
        feed.add(StatusEvent(ONE, "idle"))
    assert feed.since(f"{token}-1", None) is None
    assert [frame.number for frame in feed.since(f"{token}-2", None)] == [3, 4]
