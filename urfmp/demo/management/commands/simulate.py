from __future__ import annotations

import json
import math
import signal
import threading
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from examples.robotclient.client import TRANSPORTS, BufferInUse
from examples.robotclient.simulator import Simulator

_REPORT_EVERY_SECONDS = 60.0


class Command(BaseCommand):
    """Simulate all robots whose keys a file contains, through the public API.

    The command ends within a second of SIGINT or SIGTERM, or after `--duration`.
    """

    help = "Simulate robots that move, warm, stop, fail and disconnect like real ones."
    # The command uses only the API, so it runs without a database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="URL of the platform")
        parser.add_argument(
            "--keys",
            type=Path,
            required=True,
            metavar="FILE",
            help="JSON file of device keys by serial number, or the file of load_demo_fleet",
        )
        parser.add_argument("--rate", type=float, default=1.0, help="samples per second and robot")
        parser.add_argument(
            "--duration", type=float, metavar="SECONDS", help="stop after this time"
        )

        parser.add_argument(
            "--transport",
            choices=TRANSPORTS,
            default=TRANSPORTS[0],
            help="how robots receive commands: by long polls, or as server-sent events",
        )
        parser.add_argument(
            "--buffers",
            type=Path,
            metavar="FOLDER",
            help="keep what is not delivered in files of this folder, over restarts",
        )

    def handle(
        self,
        *,
        url: str,
        keys: Path,
        rate: float,
        duration: float | None,
        transport: str,
        buffers: Path | None,
        **options: Any,
    ) -> None:
        if not 0.01 <= rate <= 50:
            msg = "--rate must be between 0.01 and 50."
            raise CommandError(msg)
        device_keys = read_keys(keys)
        try:
            if buffers is not None:
                buffers.mkdir(parents=True, exist_ok=True)
            simulator = Simulator(url, device_keys, rate=rate, transport=transport, buffers=buffers)
        except (BufferInUse, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        stop_requested = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop_requested.set())
        simulator.start()
        self._write(f"{len(device_keys)} robots send to {url}.")
        try:
            self._watch(simulator, stop_requested, math.inf if duration is None else duration)
        finally:
            simulator.stop()
        self._write(f"Stopped. {simulator.counters.accepted:,} points were stored.")

    def _watch(
        self, simulator: Simulator, stop_requested: threading.Event, duration: float
    ) -> None:
        end = time.monotonic() + duration
        report = time.monotonic() + _REPORT_EVERY_SECONDS
        while (now := time.monotonic()) < end:
            # Short waits, because signals are handled between them.
            if stop_requested.wait(min(0.5, end - now)):
                return
            if not simulator.running_count:
                msg = "The server rejected every robot. Do these keys belong to this server?"
                raise CommandError(msg)
            if now >= report:
                report = now + _REPORT_EVERY_SECONDS
                counters = simulator.counters
                self._write(
                    f"{simulator.running_count} robots, {counters.silent} of them silent;"
                    f" {counters.accepted:,} points stored, {counters.rejected:,} rejected."
                )

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def read_keys(path: Path) -> dict[str, str]:
    """Return device keys by serial number from either file format.

    Raises:
        CommandError: The file cannot be read or contains no keys.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise CommandError(msg) from error
    keys = data.get("device_keys", data) if isinstance(data, dict) else None
    texts = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
    if not keys or not texts:
        msg = f"{path} contains no device keys. Expected {{serial number: key}}."
        raise CommandError(msg)
    return dict(keys)
