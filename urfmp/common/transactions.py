from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

View = TypeVar("View", bound=Callable[..., object])


def manages_transactions(view: View) -> View:
    """Mark a view that opens its tenant transactions itself when a key calls it."""
    view.manages_transactions = True  # type: ignore[attr-defined]
    return view
