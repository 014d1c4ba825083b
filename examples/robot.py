"""A minimal robot: record measurements every second and send them.

    URFMP_URL=http://127.0.0.1:8000 URFMP_KEY=urfmp_live_… python examples/robot.py

Copy `examples/robotclient/client.py`: it needs only Python 3.11. Measurements taken during a server
restart or a network failure are delivered afterwards, in order, also if this program is restarted
meanwhile: the file `robot.db`, or URFMP_BUFFER, keeps them.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.robotclient.client import RequestRejected, RobotClient


def main() -> None:
    """Record measurements until Ctrl-C."""
    url = os.environ.get("URFMP_URL", "http://127.0.0.1:8000")
    buffer = os.environ.get("URFMP_BUFFER", "robot.db")
    client = RobotClient(url, os.environ["URFMP_KEY"], buffer=buffer)
    started = time.monotonic()
    client.change_status("running")
    try:
        while True:
            elapsed = time.monotonic() - started
            client.record("joint.1.angle", math.sin(elapsed / 3), unit="rad")
            client.record(
                "temperature.motor.joint1", 36 - 10 * math.exp(-elapsed / 900), unit="Cel"
            )
            client.flush()
            time.sleep(1 - (time.monotonic() - started) % 1)
    except KeyboardInterrupt:
        client.change_status("idle", reason="The program was stopped.")
        client.flush()
    except RequestRejected as error:
        sys.exit(f"The server rejected this robot's request: {error}")
    finally:
        client.close()


if __name__ == "__main__":
    main()
