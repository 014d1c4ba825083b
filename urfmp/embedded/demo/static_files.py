"""Whether the collected static files are those of the code; compressing them takes a while."""

from __future__ import annotations

import hashlib
from pathlib import Path

from urfmp.embedded.system.files import read_text, write_atomically

_SOURCES = ("apps", "urfmp", "templates")
_SETTINGS = ("requirements.lock", "urfmp/settings.py")
_STAMP = ".collected"


def collected(checkout: Path, static: Path) -> bool:
    """Tell whether `collectstatic` has nothing to do."""
    return read_text(static / _STAMP) == _digest(checkout)


def note_collected(checkout: Path, static: Path) -> None:
    """Note that it was done for the files as they are now."""
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
