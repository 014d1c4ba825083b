"""Wait on a page whose policy forbids eval, with which Playwright's own wait works."""

from __future__ import annotations

import time
from typing import Any


def until(page: Any, script: str, *, seconds: float = 60) -> None:
    """Return once a script, a function or an expression, gives something true."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)
