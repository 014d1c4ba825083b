"""Robots that drop acknowledgements, users that command them, and what became of the commands."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from contextlib import closing, suppress

import psycopg

from examples.robotclient.client import (
    Command,
    CommandReceiver,
    RequestRejected,
    ServerUnavailable,
)
from tests.support.server import Server

DROPPED_SHARE = 0.2
_MOTION_SHARE = 0.2

MAKE_FLEET = """
from apps.accounts.models import ApiKey
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.users import system_user_get
from apps.robots.services.robots import robot_register
from apps.robots.services.status import robot_report_status
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    user = system_user_get(organization_id=o)
    for number in range({robots}):
        robot = robot_register(organization_id=o, name=f"R{{number}}", vendor="custom",
                               configuration={{}})
        robot_report_status(robot_id=robot.pk, status="idle")
        _, key = api_key_create(organization_id=o, user=user, name=f"d{{number}}",
                                permissions=["commands:write"], robot=robot)
        print("ROBOT", robot.pk, key)
    _, key = api_key_create(organization_id=o, user=user, name="plant",
                            permissions=["robots:command"])
    ApiKey.objects.update(rate_limit=None)
print("PLANT", key)
"""


class Machine(threading.Thread):
    """A robot that executes each command that it accepts, and drops acknowledgements.

    A robot that dropped one has not received the command.
    """

    def __init__(self, server: Server, key: str, journal: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.receiver = CommandReceiver(server.url, key, journal=journal, timeout=10.0)
        self.random = random.Random(seed)
        self.stop_requested = threading.Event()
        self.executed: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.dropped: set[str] = set()

    def run(self) -> None:
        while not self.stop_requested.is_set():
            try:
                command = self.receiver.next(wait=2)
            except ServerUnavailable:
                time.sleep(0.1)
                continue
            if command is not None:
                self.handle(command)
        self.receiver.close()

    def handle(self, command: Command) -> None:
        self.received[command.id] += 1
        if self.random.random() < DROPPED_SHARE:
            self.dropped.add(command.id)
            return
        if self.receiver.accept(command):
            self.executed[command.id] += 1
            self.report(command, "completed")
        else:
            self.report(command, "rejected")

    def report(self, command: Command, outcome: str) -> None:
        while True:
            try:
                self.receiver.report_result(command, outcome)
            except ServerUnavailable:
                time.sleep(0.1)
            except RequestRejected:
                return
            else:
                return


class Plant(threading.Thread):
    """A user that creates commands for one robot, each until the answer is known."""

    def __init__(self, server: Server, key: str, robot_id: str, count: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.key, self.robot_id, self.count = server, key, robot_id, count
        self.random = random.Random(seed)
        self.created: set[str] = set()
        self.refused: Counter[str] = Counter()

    def run(self) -> None:
        for _ in range(self.count):
            self.create("start" if self.random.random() < _MOTION_SHARE else "pause")
            time.sleep(self.random.random() / 20)

    def create(self, type: str) -> None:  # noqa: A002 - the field
        body = json.dumps({"type": type})
        headers = {
            "X-API-Key": self.key,
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status, answer = 0, {}
            connection = http.client.HTTPConnection(
                self.server.url.removeprefix("http://"), timeout=20
            )
            with suppress(OSError, http.client.HTTPException, ValueError), closing(connection):
                path = f"/api/v1/robots/{self.robot_id}/commands"
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                status, answer = response.status, json.loads(response.read())
            if status == 201:
                self.created.add(answer["id"])
                return
            if status not in {0, 429, 502, 503} and answer.get("code") != "idempotency_in_progress":
                self.refused[f"{status} {answer.get('code')}"] += 1
                return
            time.sleep(0.05 + self.random.random() / 10)
        self.refused["no answer"] += 1


def stored_commands(server: Server) -> dict[str, str]:
    """Return the status of each stored command."""
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT id::text, status FROM robot_commands").fetchall()
    return dict(rows)
