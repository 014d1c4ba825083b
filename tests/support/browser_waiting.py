"""Wait for a condition on a page whose policy forbids eval.

Playwright's own `wait_for_function` needs eval.
"""

from __future__ import annotations

import time
from typing import Any


def until(page: Any, script: str, *, seconds: float = 60) -> None:
    """Wait until a JavaScript function or expression returns a true value."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)
