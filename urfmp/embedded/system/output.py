"""Messages to the user, written to stderr.

Standard output stays free for `env` and `browser`, whose output is used in a shell's `$(...)`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


def log_message(text: str) -> None:
    """Write one line to stderr, ignoring a closed stderr."""
    try:
        sys.stderr.write(f"urfmp: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


@dataclass(slots=True)
class Progress:
    """Progress messages: at once for a new step, else every `interval` seconds."""

    interval: float = 2.0
    _step: str = ""
    _said: float = field(default=0.0)

    def show(self, step: str, detail: str = "") -> None:
        """Log a new step at once, a repeated one after the interval."""
        now = time.monotonic()
        if step == self._step and now - self._said < self.interval:
            return
        self._step, self._said = step, now
        log_message(f"{step}: {detail}" if detail else step)
