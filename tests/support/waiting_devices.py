"""Robots that wait at a live process for their commands."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import threading
import time
from typing import Any

from apps.robots.models import RobotCommand
from apps.robots.services.commands.creation import command_create
from apps.robots.services.commands.reports import command_acknowledge
from urfmp.common.tenancy.context import tenant_transaction

NEXT_COMMAND = "/api/v1/device/commands/next"
COMMAND_EVENTS = "/api/v1/device/commands/events"


class Poll:
    """One poll of a robot, which runs in a thread until it ends."""

    def __init__(self, port: int, key: str, wait: Any = 20) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        self.connection.request(
            "POST", f"{NEXT_COMMAND}?wait={wait}", headers={"Authorization": f"Bearer {key}"}
        )
        self.status = 0
        self.body: Any = None
        self.ended_at = 0.0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):
            response = self.connection.getresponse()
            content = response.read()
            self.body = json.loads(content) if content else None
            self.status = response.status
        self.ended_at = time.monotonic()

    def is_waiting(self, seconds: float = 0.5) -> bool:
        self._thread.join(seconds)
        return self._thread.is_alive()

    def end(self, seconds: float = 15.0) -> tuple[int, Any]:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the poll still waits"
        self.connection.close()
        return self.status, self.body


class Device:
    """A robot with its key."""

    def __init__(self, robot: Any, key: str) -> None:
        self.robot, self.key = robot, key

    def command(self, type: str = "pause", **values: Any) -> RobotCommand:  # noqa: A002
        with tenant_transaction(self.robot.organization_id):
            return command_create(robot=self.robot, type=type, **values)

    def status_of(self, command: RobotCommand) -> str:
        with tenant_transaction(self.robot.organization_id):
            return RobotCommand.objects.get(pk=command.pk).status

    def acknowledge(self, command: RobotCommand | str) -> None:
        with tenant_transaction(self.robot.organization_id):
            command_id = command if isinstance(command, str) else command.pk
            command_acknowledge(robot_id=self.robot.pk, command_id=command_id)


class CommandStream:
    """One stream of a robot's commands, read by a thread until it ends."""

    def __init__(self, port: int, key: str, *, method: str = "GET", query: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        path = COMMAND_EVENTS + query
        self.connection.request(method, path, headers={"Authorization": f"Bearer {key}"})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self._events: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue()
        self.ended_at = 0.0
        if self.status == 200 and method == "GET":
            threading.Thread(target=self._read, daemon=True).start()
            assert self.next()[0] == "welcome"
        else:
            content = self.response.read()
            self.problem = json.loads(content) if content else None
            self.connection.close()

    def _read(self) -> None:
        kind, data = "", {}
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self.response.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    data = json.loads(value)
                elif not name and kind:
                    self._events.put((kind, data))
                    kind, data = "", {}
        self.ended_at = time.monotonic()
        self._events.put(None)

    def next(self, seconds: float = 15.0) -> tuple[str, dict[str, Any]]:
        """Return the next event; raise `queue.Empty` if there is none in time."""
        event = self._events.get(timeout=seconds)
        assert event is not None, "the stream ended"
        return event

    def next_command(self, seconds: float = 15.0) -> dict[str, Any]:
        while True:
            kind, data = self.next(seconds)
            if kind == "command":
                return data

    def is_silent(self, seconds: float = 1.5) -> bool:
        try:
            return self._events.get(timeout=seconds) is None
        except queue.Empty:
            return True

    def has_ended(self, seconds: float = 15.0) -> bool:
        end = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while self._events.get(timeout=max(end - time.monotonic(), 0.01)) is not None:
                pass
            return True
        return False

    def close(self) -> None:
        if self.connection.sock is not None:
            with contextlib.suppress(OSError):
                self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()
