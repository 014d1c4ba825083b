"""The demo organization."""

from __future__ import annotations

DEMO_ORGANIZATION = "meridian-drive-works"
"""Slug of the demo's large plant."""
