"""A host that keeps one sender of notifications alive; run as a module.

The sender is a forked process, so that a killed one is replaced within milliseconds. The host
prints the process id of each sender.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from functools import partial

TIMEOUT_SECONDS = 0.4
RETRY_DELAYS = [timedelta(milliseconds=300), timedelta(milliseconds=600), timedelta(seconds=1)]


def _send() -> None:
    """Send until the process is killed."""
    from apps.alerts.services.notifications import attempts, sender

    attempts.post = partial(attempts.post, timeout_seconds=TIMEOUT_SECONDS)
    while True:
        sender.deliveries_send(retry_delays=RETRY_DELAYS)
        time.sleep(0.05)


def main() -> None:
    """Fork a sender, and another one whenever it ends."""
    import django

    django.setup()
    # Everything that the sender needs is imported once, here.
    import apps.alerts.services.notifications.sender  # noqa: F401

    child = 0

    def end(_number: int, _frame: object) -> None:
        if child:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _send()
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
