"""What the demo fleet is known by, for commands that add to it."""

from __future__ import annotations

DEMO_ORGANIZATION = "meridian-drive-works"
"""Slug of the demo's large plant."""
