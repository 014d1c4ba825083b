"""Flags that views carry for the middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

View = TypeVar("View", bound=Callable[..., object])


def manages_transactions(view: View) -> View:
    """Mark a view that opens its tenant transactions itself when a key calls it."""
    view.manages_transactions = True  # type: ignore[attr-defined]
    return view


def ignores_credentials(view: View) -> View:
    """Mark a view that anybody may call: what the request carries is not looked at.

    Otherwise an expired token would stand in the way of the call that renews it.
    """
    view.ignores_credentials = True  # type: ignore[attr-defined]
    return view


def acts_at_home(view: View) -> View:
    """Mark a view, or a class of views, about the person who asks or about the platform.

    It runs inside the person's own organization, whichever one a super admin has chosen.
    """
    view.acts_at_home = True  # type: ignore[attr-defined]
    return view
