from __future__ import annotations

import json
import math
import signal
import threading
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from examples.robotclient.simulator import Simulator

_REPORT_EVERY_SECONDS = 60.0


class Command(BaseCommand):
    """Behave like all robots whose keys a file holds, through the public API alone.

    Ends on SIGINT or SIGTERM within a second, or after `--duration`.
    """

    help = "Simulate robots: they move, warm, stop, fail and fall silent like real ones."
    # The API is all that it needs: it runs where there is no database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="where the platform is")
        parser.add_argument(
            "--keys",
            type=Path,
            required=True,
            metavar="FILE",
            help="JSON with device keys by serial number, or the file of load_demo_fleet",
        )
        parser.add_argument("--rate", type=float, default=1.0, help="samples a second and robot")
        parser.add_argument(
            "--duration", type=float, metavar="SECONDS", help="end by itself after this time"
        )

    def handle(
        self, *, url: str, keys: Path, rate: float, duration: float | None, **options: Any
    ) -> None:
        if not 0.01 <= rate <= 50:
            msg = "--rate is a number from 0.01 to 50."
            raise CommandError(msg)
        device_keys = read_keys(keys)
        try:
            simulator = Simulator(url, device_keys, rate=rate)
        except ValueError as error:
            raise CommandError(str(error)) from error
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        simulator.start()
        self._say(f"{len(device_keys)} robots speak to {url}.")
        try:
            self._watch(simulator, ended, math.inf if duration is None else duration)
        finally:
            simulator.stop()
        self._say(f"Ended. {simulator.tally.accepted:,} points were stored.")

    def _watch(self, simulator: Simulator, ended: threading.Event, duration: float) -> None:
        end = time.monotonic() + duration
        report = time.monotonic() + _REPORT_EVERY_SECONDS
        while (now := time.monotonic()) < end:
            # Short waits: a signal is looked at between them.
            if ended.wait(min(0.5, end - now)):
                return
            if not simulator.alive:
                msg = "The server refuses every robot; are these its keys?"
                raise CommandError(msg)
            if now >= report:
                report = now + _REPORT_EVERY_SECONDS
                tally = simulator.tally
                self._say(
                    f"{simulator.alive} robots, {tally.silent} of them silent;"
                    f" {tally.accepted:,} points stored, {tally.rejected:,} rejected."
                )

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def read_keys(path: Path) -> dict[str, str]:
    """Return device keys by serial number from either form of the file.

    Raises:
        CommandError: It cannot be read or holds none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise CommandError(msg) from error
    keys = data.get("device_keys", data) if isinstance(data, dict) else None
    texts = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
    if not keys or not texts:
        msg = f"{path} holds no device keys: write {{serial number: key}}."
        raise CommandError(msg)
    return dict(keys)
