"""Every alert is notified, whatever fails: receivers, and the sender itself.

A third of the deliveries fails or times out at first, the sender is killed again and again, and
some deliveries kill it on each attempt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connections

from apps.alerts.models import Delivery
from apps.alerts.services.alerts import alert_report
from apps.alerts.services.notifications.channels import channel_create, signing_secrets
from apps.alerts.services.notifications.deliveries import delivery_replay
from apps.alerts.services.notifications.routes import Step, route_create
from tests.support.notification_sender import TIMEOUT_SECONDS
from tests.support.webhook_receiver import Received, Reply, WebhookReceiver, webhook_receiver
from urfmp.common.tenancy.context import tenant_transaction

ALERTS = int(os.environ.get("URFMP_ALERTS", "24"))
KILLS = int(os.environ.get("URFMP_SENDER_KILLS", "2"))
POISON = max(1, ALERTS // 200)
# The short form shares the machine with other tests.
MAX_LATE_SECONDS = 5.0 if ALERTS >= 1000 else 20.0
SETTLING_SECONDS = 60
TYPES = ("telemetry", "status", "system", "security")
LOOPBACK = "127.0.0.0/8"


class Sender:
    """The host of the sender, as a process."""

    def __init__(self) -> None:
        name = connections["default"].settings_dict["NAME"]
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "OUTGOING_PRIVATE_NETWORKS": LOOPBACK,
            "LOG_LEVEL": "CRITICAL",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.notification_sender"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = int(self._line())
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _follow(self) -> None:
        while line := self._line():
            self.pid = int(line)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._follower.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Plan:
    """How the receiver answers: by the number of the alert and of the attempt."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.kill = kill
        self.attempts: Counter[str] = Counter()
        self.accepted: dict[str, float] = {}
        self.failing: set[str] = set()

    def __call__(self, request: Received) -> Reply:
        delivery = request.headers["webhook-id"]
        self.attempts[delivery] += 1
        key = request.body.decode().split('"key":"')[1].split('"')[0]
        kind, number = key.split("-")
        if kind == "poison":
            self.kill()
            return Reply(wait_seconds=1)
        is_first = self.attempts[delivery] == 1
        if int(number) % 6 == 0 and is_first:
            self.failing.add(delivery)
            return Reply(wait_seconds=TIMEOUT_SECONDS * 2)
        if int(number) % 6 == 1 and self.attempts[delivery] <= 2:
            self.failing.add(delivery)
            return Reply(503)
        self.accepted.setdefault(delivery, time.time())
        return Reply(200)


@pytest.fixture
def organization(make_organization):
    return make_organization("storm")


@contextmanager
def running(organization) -> Iterator[tuple[WebhookReceiver, Sender, dict[str, str]]]:
    """Run receiver and sender; yield them with the secret of each path."""
    with webhook_receiver() as receiver:
        secrets = {}
        for alert_type in TYPES:
            with tenant_transaction(organization.id):
                channel = channel_create(
                    organization_id=organization.id,
                    kind="webhook",
                    name=alert_type,
                    url=f"{receiver.url}/{alert_type}",
                    allowed_networks=[LOOPBACK],
                )
                route_create(
                    organization_id=organization.id,
                    name=alert_type,
                    types=[alert_type],
                    steps=[Step(channel)],
                )
                secrets[f"/hook/{alert_type}"] = signing_secrets(channel)[0]
        sender = Sender()
        try:
            yield receiver, sender, secrets
        finally:
            sender.close()


def _report(organization, key: str, number: int) -> None:
    with tenant_transaction(organization.id):
        alert_report(
            organization_id=organization.id,
            key=key,
            type=TYPES[number % len(TYPES)],
            severity="critical" if number % 5 == 0 else "error",
            title="Alert",
            message="m",
        )


def _is_signed(request: Received, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    digest = hmac.new(key, head.encode() + request.body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return hmac.compare_digest(request.headers["webhook-signature"], expected)


def _states(organization) -> Counter[str]:
    with tenant_transaction(organization.id):
        return Counter(Delivery.objects.values_list("state", flat=True))


def _settle(organization) -> None:
    end = time.monotonic() + SETTLING_SECONDS
    while set(_states(organization)) - {"delivered", "dead"} and time.monotonic() < end:
        time.sleep(0.2)


def _replay_innocent(organization) -> set[str]:
    """Replay dead letters that did not end the sender themselves; return their ids."""
    with tenant_transaction(organization.id):
        dead = Delivery.objects.filter(state="dead").exclude(alert__key__startswith="poison")
        return {str(delivery_replay(delivery).pk) for delivery in dead}


@pytest.mark.django_db(transaction=True)
def test_alerts_are_delivered_while_receivers_fail_and_the_sender_is_killed(organization, settings):
    settings.OUTGOING_PRIVATE_NETWORKS = [LOOPBACK]
    with running(organization) as (receiver, sender, secrets):
        plan = Plan(sender.kill)
        receiver.reply = plan
        for number in range(ALERTS):
            _report(organization, f"alert-{number}", number)
            if number % (ALERTS // POISON) == 7:
                _report(organization, f"poison-{number}", number)
            if number % (ALERTS // KILLS) == ALERTS // KILLS - 1:
                sender.kill()
            time.sleep(0.04)
        _settle(organization)
        # A delivery that a kill met three times is a dead letter too. It is replayed as a user
        # would, and keeps its id.
        replayed = _replay_innocent(organization)
        assert len(replayed) <= ALERTS // 100
        _settle(organization)
    assert _states(organization) == {"delivered": ALERTS, "dead": POISON}
    with tenant_transaction(organization.id):
        rows = {str(row.pk): row for row in Delivery.objects.select_related("alert")}
    # One delivery for each alert, and each request carries its id and a valid signature.
    by_alert = defaultdict(set)
    for delivery, row in rows.items():
        by_alert[row.alert_id].add(delivery)
    assert all(len(ids) == 1 for ids in by_alert.values())
    assert {request.headers["webhook-id"] for request in receiver.requests} == set(rows)
    assert all(_is_signed(request, secrets[request.path]) for request in receiver.requests)
    assert set(plan.accepted) == {pk for pk, row in rows.items() if row.state == "delivered"}
    poison = [row for row in rows.values() if row.alert.key.startswith("poison")]
    assert all((row.state, row.attempts) == ("dead", 3) for row in poison)
    assert len(plan.failing) >= ALERTS // 3 - 2
    late = [
        plan.accepted[pk] - row.created_at.timestamp()
        for pk, row in rows.items()
        if pk in plan.accepted and pk not in plan.failing | replayed
    ]
    repeats = len(receiver.requests) - len(rows)
    print(  # noqa: T201 - figures of the proof
        f"{ALERTS} alerts, {KILLS} kills, {len(plan.failing)} failed at first, {repeats} repeats,"
        f" {len(replayed)} replayed, others at most {max(late):.2f} s late"
    )
    assert max(late) < MAX_LATE_SECONDS
