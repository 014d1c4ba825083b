"""Lines for people go to stderr, so that `env` and `browser` can be used in a shell's `$(...)`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


def say(text: str) -> None:
    """Write one line for the person at the keyboard; a closed stderr is no reason to stop."""
    try:
        sys.stderr.write(f"urfmp: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


@dataclass(slots=True)
class Progress:
    """Says what is going on, at once when the step changes and else every `interval` seconds."""

    interval: float = 2.0
    _step: str = ""
    _said: float = field(default=0.0)

    def show(self, step: str, detail: str = "") -> None:
        """Say `step` and its detail if the step is new or the last line is old enough."""
        now = time.monotonic()
        if step == self._step and now - self._said < self.interval:
            return
        self._step, self._said = step, now
        say(f"{step}: {detail}" if detail else step)
