"""Paths of programs, as opposed to pages for browsers."""

from __future__ import annotations

# Clients of other products expect their own paths beside those of the API.
_PREFIXES = ("/api/", "/prometheus/", "/otlp/")
# InfluxDB 1 clients write to `/write`.
_PATHS = frozenset({"/write"})


def is_api_path(path: str) -> bool:
    """Return whether programs request a path, instead of browsers."""
    return path.startswith(_PREFIXES) or path in _PATHS
