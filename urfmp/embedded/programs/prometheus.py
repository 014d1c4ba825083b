"""Find Prometheus on the system, or fetch Debian's for tests."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import SUITE, Bundle, fetch, set_interpreter
from urfmp.embedded.system.files import remove_tree
from urfmp.embedded.system.processes import run

_MIN_VERSION = (2, 42)
_PROGRAMS = ("prometheus", "promtool")


def find_prometheus(cache: Path) -> Path:
    """Return a folder with the programs `prometheus` and `promtool`.

    Raises:
        EmbeddedError: The system has none and none can be fetched.
    """
    system = shutil.which("prometheus")
    if system and shutil.which("promtool") and _version(Path(system)) >= _MIN_VERSION:
        return Path(system).parent
    return fetch(cache, PROMETHEUS) / "usr/bin"


def _version(program: Path) -> tuple[int, int]:
    try:
        result = run([program, "--version"])
    except (EmbeddedError, OSError):
        return (0, 0)
    match = re.search(r"version (\d+)\.(\d+)", result.stdout + result.stderr)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _finish(root: Path, final: Path) -> None:
    for name in _PROGRAMS:
        set_interpreter(root / "usr/bin" / name, root, final, libraries=True)
    for unused in ("usr/share", "etc", "var"):
        remove_tree(root / unused)


def _check(final: Path) -> None:
    for name in _PROGRAMS:
        if _version(final / "usr/bin" / name) < _MIN_VERSION:
            msg = f"Debian's {name} does not run on this machine."
            raise EmbeddedError(msg)


PROMETHEUS = Bundle(
    name=f"prometheus-{SUITE}-1",
    title="Prometheus for the tests",
    packages=("prometheus",),
    # Accounts, services, and the fonts and scripts of its pages, which the tests do not use.
    provided=(
        "adduser",
        "base-passwd",
        "debconf",
        "fonts-glyphicons-halflings",
        "init-system-helpers",
        "libjs-bootstrap4",
        "libjs-eonasdan-bootstrap-datetimepicker",
        "libjs-jquery",
        "libjs-jquery-hotkeys",
        "libjs-moment",
        "libjs-moment-timezone",
        "libjs-mustache",
        "libjs-popper.js",
        "libjs-rickshaw",
        "media-types",
        "passwd",
        "tzdata",
    ),
    finish=_finish,
    check=_check,
)
