"""Find a Chromium for browser tests, or fetch Debian's into the cache."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import SUITE, Bundle, fetch, library_folders, set_interpreter
from urfmp.embedded.system.files import make_folder, remove_tree, write_atomically
from urfmp.embedded.system.processes import run

_WRAPPER = "chromium-for-tests"
_SYSTEM_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
# Chromium opens only our own pages, often as root and in containers whose kernel does not support
# the sandbox. /dev/shm is tiny in many containers.
_OPTIONS = "--no-sandbox --disable-dev-shm-usage"
_PAGE = "data:text/html,<p id=a>urfmp</p>"


def find_browser(cache: Path) -> Path:
    """Return a program that starts headless Chromium with the given arguments.

    It needs no display and no system fonts, and runs as root.

    Raises:
        EmbeddedError: No Chromium was found and none can be fetched.
    """
    configured = os.environ.get("URFMP_CHROMIUM")
    if configured and not _runs(Path(configured)):
        msg = f"URFMP_CHROMIUM is {configured}, which does not run. Unset it to fetch one."
        raise EmbeddedError(msg)
    if configured:
        return Path(configured)
    for name in _SYSTEM_NAMES:
        program = shutil.which(name)
        if program and _runs(Path(program)):
            return _wrap_system(cache, program)
    return fetch(cache, BROWSER) / _WRAPPER


def _wrap_system(cache: Path, program: str) -> Path:
    wrapper = make_folder(cache) / _WRAPPER
    text = f'#!/bin/sh\nexec {shlex.quote(program)} {_OPTIONS} "$@"\n'
    write_atomically(wrapper, text, mode=0o755)
    return wrapper


def _runs(program: Path) -> bool:
    # Some systems have a stub by that name that cannot start.
    return "urfmp" in _rendered(program)[0]


def _rendered(program: Path) -> tuple[str, str]:
    """Return the rendered text of a small page, and the error output."""
    with tempfile.TemporaryDirectory() as profile:
        options = [*_OPTIONS.split(), "--headless", f"--user-data-dir={profile}", "--dump-dom"]
        try:
            result = run([program, *options, _PAGE])
        except (EmbeddedError, OSError) as error:
            return "", str(error)
    return result.stdout, result.stderr


def _finish(root: Path, final: Path) -> None:
    program = next((root / "usr/lib").glob("chromium*/*headless*shell"), None)
    if program is None:
        msg = "Debian's Chromium package contains no headless shell."
        raise EmbeddedError(msg)
    set_interpreter(program, root, final, libraries=False)
    (root / "fonts.conf").write_text(_font_configuration(final), encoding="utf-8")
    libraries = [final / folder.relative_to(root) for folder in library_folders(root)]
    libraries += [folder / name for folder in libraries for name in ("nss", "pulseaudio")]
    wrapper = root / _WRAPPER
    wrapper.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH={shlex.quote(':'.join(map(str, libraries)))}\n"
        f"export FONTCONFIG_FILE={shlex.quote(str(final / 'fonts.conf'))}\n"
        f"exec {shlex.quote(str(final / program.relative_to(root)))} {_OPTIONS} "
        '"$@"\n',
        encoding="utf-8",
    )
    wrapper.chmod(0o755)
    for unused in ("usr/share/doc", "usr/share/locale", "usr/share/man"):
        remove_tree(root / unused)


def _font_configuration(final: Path) -> str:
    families = {"sans-serif": "Sans", "serif": "Serif", "monospace": "Sans Mono"}
    aliases = "".join(
        f"  <alias><family>{generic}</family>"
        f"<prefer><family>DejaVu {name}</family></prefer></alias>\n"
        for generic, name in families.items()
    )
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"  <dir>{final}/usr/share/fonts</dir>\n"
        f'  <cachedir prefix="xdg">fontconfig</cachedir>\n{aliases}'
        "</fontconfig>\n"
    )


def _check(final: Path) -> None:
    page, error_output = _rendered(final / _WRAPPER)
    if "urfmp" not in page:
        msg = f"Debian's Chromium does not run on this machine: {error_output.strip()[-500:]}"
        raise EmbeddedError(msg)


BROWSER = Bundle(
    name=f"chromium-{SUITE}-1",
    title="Chromium for the browser tests",
    packages=("chromium-headless-shell", "fonts-dejavu-core"),
    # Packages for a screen, a desktop or a graphics card, which the headless shell does not use.
    provided=(
        "at-spi2-common",
        "debconf",
        "libgl1",
        "libgl1-mesa-dri",
        "libllvm19",
        "lsb-base",
        "sysvinit-utils",
        "x11-common",
        "x11-utils",
        "xdg-utils",
        "xkb-data",
    ),
    finish=_finish,
    check=_check,
)
