"""Track whether the collected static files are up to date.

Compressing them takes a while, so `collectstatic` runs only after a change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from urfmp.embedded.system.files import read_text, write_atomically

_SOURCES = ("apps", "urfmp", "templates")
_SETTINGS = ("requirements.lock", "urfmp/settings.py")
_STAMP = ".collected"


def is_collected(checkout: Path, static: Path) -> bool:
    """Return whether the collected files are up to date."""
    return read_text(static / _STAMP) == _digest(checkout)


def mark_collected(checkout: Path, static: Path) -> None:
    """Record that the files were collected in their current state."""
    write_atomically(static / _STAMP, _digest(checkout))


def _digest(checkout: Path) -> str:
    digest = hashlib.sha256()
    for name in _SETTINGS:
        digest.update(read_text(checkout / name).encode())
    for source in _SOURCES:
        for path in sorted((checkout / source).rglob("static/**/*")):
            found = path.stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
