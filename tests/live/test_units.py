from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from django.test import RequestFactory

from urfmp.common.redis.events import telemetry_events
from urfmp.live import registry
from urfmp.live.authentication import Credential, Subscriber
from urfmp.live.http import Problem
from urfmp.live.registry import Watch
from urfmp.live.send_queue import Frame, Mailbox
from urfmp.live.views import redirect_to_live

ROBOT = uuid.uuid4()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_events_hold_the_newest_point_of_each_metric():
    rows = [
        (ROBOT, "cycle.count", NOON + timedelta(seconds=1), 2.0, "count"),
        (ROBOT, "cycle.count", NOON, 1.0, "count"),
        (ROBOT, "power.total", NOON, 3.0, "W"),
    ]
    (event,) = telemetry_events(rows)
    assert [(point.metric_name, point.value) for point in event.points] == [
        ("cycle.count", 2.0),
        ("power.total", 3.0),
    ]


def test_late_points_are_not_sent_behind_newer_ones():
    """A robot that catches up while it goes on sending: pages show the newest value."""

    def event(*points):
        rows = [
            (ROBOT, metric, NOON + timedelta(seconds=at), value, None)
            for metric, at, value in points
        ]
        return telemetry_events(rows)[0]

    async def sent():
        watch, mailbox = Watch(), Mailbox()
        watch.detail.join(mailbox, None)
        watch.add(event(("a", 60, 2.0)))
        watch.add(event(("a", 5, 1.0), ("b", 5, 7.0)))
        watch.add(event(("a", 6, 1.0)))
        watch.add(event(("a", 60, 2.0)))
        watch.add(event(("a", 61, 3.0)))
        await asyncio.sleep(0.5)
        return watch, await mailbox.take()

    with ThreadPoolExecutor(max_workers=1) as pool:
        watch, data = pool.submit(asyncio.run, sent()).result()
    assert b'"value":2.0' in data
    assert b'"value":7.0' in data
    assert b'"value":1.0' not in data
    assert watch.seen_until == {ROBOT: NOON + timedelta(seconds=61)}


def test_mailbox_drops_the_oldest_telemetry_and_keeps_the_latest_statuses():
    mailbox = Mailbox()
    for number in range(1, 101):
        is_status = number % 10 == 0
        mailbox.put(Frame(number, ROBOT, is_status, b"%03d" % number + b"x" * 20_000))
    mailbox.note("reset", b"reset")
    # A thread of its own: a browser test may have left an event loop in this one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(asyncio.run, mailbox.take()).result()
    assert data.startswith(b"reset")
    numbers = [int(part) for part in data.removeprefix(b"reset").split(b"x") if part]
    assert numbers == sorted(numbers)
    assert [number for number in numbers if number % 10 == 0] == [100]
    assert numbers[-2:] == [99, 100]
    assert len(data) < 600_000


def test_nobody_takes_all_places(monkeypatch):
    """With many sessions a person, and with many people an organization, still has a limit."""
    monkeypatch.setattr(registry, "OF_ONE_AT_MOST", 50)
    monkeypatch.setattr(registry, "OF_AN_ORGANIZATION_AT_MOST", 80)
    acme, globex = uuid.uuid4(), uuid.uuid4()

    async def opened():
        places = registry.Hub()

        def open_streams(organization, person, number):
            for count in range(number):
                credential = Credential(f"{person}-{count // 20}", is_key=False)
                client = registry.Client(credential, Subscriber(person, organization, None, None))
                try:
                    places.join(client)
                except Problem as error:
                    assert (error.status, error.code) == (429, "too_many_streams")
                    assert error.retry_after
                    return count
            return number

        alice, bob, charlie = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        first = open_streams(acme, alice, 60), open_streams(acme, bob, 60)
        one = next(iter(places.clients))
        places.leave(one)
        return *first, open_streams(acme, uuid.uuid4(), 2), open_streams(globex, charlie, 3)

    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(asyncio.run, opened()).result() == (50, 30, 1, 3)


def test_web_sends_clients_on_to_live(settings):
    settings.WEB_ORIGIN, settings.LIVE_ORIGIN = "http://a.example:1", "http://a.example:2"
    address = "/api/v1/events?robot=7&robot=8&last_event_id=a%2Fb-9&more=1"
    response = redirect_to_live(RequestFactory().get(address))
    assert response.status_code == 307
    assert response["Location"] == "http://a.example:2" + address


def test_one_address_is_the_proxys_business(settings):
    settings.LIVE_ORIGIN = settings.WEB_ORIGIN
    response = redirect_to_live(RequestFactory().get("/api/v1/events"))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
