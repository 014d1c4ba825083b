"""Errors of the embedded services."""

from __future__ import annotations


class EmbeddedError(Exception):
    """An error that the user can fix; the message says how."""
