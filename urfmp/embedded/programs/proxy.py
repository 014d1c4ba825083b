"""Find Caddy on the system, or fetch Debian's into the cache."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import SUITE, Bundle, fetch, set_interpreter
from urfmp.embedded.system.processes import run

_MIN_VERSION = (2, 6)
_PROGRAM = "usr/bin/caddy"


def find_proxy(cache: Path) -> Path:
    """Return a Caddy that understands the product's Caddyfile.

    Raises:
        EmbeddedError: The system has none and none can be fetched.
    """
    system = shutil.which("caddy")
    if system and _version(Path(system)) >= _MIN_VERSION:
        return Path(system)
    return fetch(cache, PROXY) / _PROGRAM


def _version(program: Path) -> tuple[int, int]:
    try:
        result = run([program, "version"])
    except (EmbeddedError, OSError):
        return (0, 0)
    match = re.match(r"v?(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _finish(root: Path, final: Path) -> None:
    set_interpreter(root / _PROGRAM, root, final, libraries=True)


def _check(final: Path) -> None:
    if _version(final / _PROGRAM) < _MIN_VERSION:
        msg = "Debian's Caddy does not run on this machine."
        raise EmbeddedError(msg)


PROXY = Bundle(
    name=f"caddy-{SUITE}-1",
    title="Caddy",
    packages=("caddy",),
    # Accounts, certificate stores of browsers, and MIME types of files, which the proxy does not
    # serve.
    provided=("adduser", "base-passwd", "debconf", "libnss3-tools", "media-types", "passwd"),
    finish=_finish,
    check=_check,
)
