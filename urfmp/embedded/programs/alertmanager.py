"""Find Alertmanager on the system, or fetch Debian's for tests."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import SUITE, Bundle, fetch, set_interpreter
from urfmp.embedded.system.files import remove_tree
from urfmp.embedded.system.processes import run

_MIN_VERSION = (0, 22)
_PROGRAM = "usr/bin/prometheus-alertmanager"
_WRAPPER = "alertmanager-for-tests"
# Debian's program reads its templates from this folder. The fetched one reads them from the folder
# that it is started in, under a name of the same length.
_TEMPLATES = "usr/share/prometheus/alertmanager"
_COMPILED_FOLDER = f"/{_TEMPLATES}".encode()
_STARTED_FOLDER = b"/proc/self/cwd".ljust(len(_COMPILED_FOLDER), b"/")


def find_alertmanager(cache: Path) -> Path:
    """Return an Alertmanager with version 2 of its API.

    Raises:
        EmbeddedError: The system has none and none can be fetched.
    """
    for name in ("prometheus-alertmanager", "alertmanager"):
        system = shutil.which(name)
        if system and _version(Path(system)) >= _MIN_VERSION:
            return Path(system)
    return fetch(cache, ALERTMANAGER) / _WRAPPER


def _version(program: Path) -> tuple[int, int]:
    try:
        result = run([program, "--version"])
    except (EmbeddedError, OSError):
        return (0, 0)
    match = re.search(r"version (\d+)\.(\d+)", result.stdout + result.stderr)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _finish(root: Path, final: Path) -> None:
    program = root / _PROGRAM
    program.write_bytes(program.read_bytes().replace(_COMPILED_FOLDER, _STARTED_FOLDER))
    set_interpreter(program, root, final, libraries=True)
    wrapper = root / _WRAPPER
    wrapper.write_text(
        "#!/bin/sh\n"
        f"cd {shlex.quote(str(final / _TEMPLATES))} || exit 1\n"
        f'exec {shlex.quote(str(final / _PROGRAM))} "$@"\n',
        encoding="utf-8",
    )
    wrapper.chmod(0o755)
    for unused in (f"{_TEMPLATES}/ui", "usr/share/doc", "usr/share/man"):
        remove_tree(root / unused)


def _check(final: Path) -> None:
    if _version(final / _WRAPPER) < _MIN_VERSION:
        msg = "Debian's Alertmanager does not run on this machine."
        raise EmbeddedError(msg)


ALERTMANAGER = Bundle(
    name=f"alertmanager-{SUITE}-1",
    title="Alertmanager for the tests",
    packages=("prometheus-alertmanager",),
    # Accounts, services and the pages' scripts, which the tests do not use.
    provided=(
        "adduser",
        "base-passwd",
        "debconf",
        "init-system-helpers",
        "media-types",
        "passwd",
        "tzdata",
    ),
    finish=_finish,
    check=_check,
)
