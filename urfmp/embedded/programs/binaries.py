"""Find the servers' programs on the system, or fetch Debian's."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import fetch_services, fetched_services
from urfmp.embedded.system.paths import InstallPaths
from urfmp.embedded.system.processes import run

MIN_MAJOR_VERSION = 15
_FETCHED_MAJOR_VERSION = 17
_DOCKER_ADVICE = "With Docker, `docker compose up` runs the same product from images."


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs of matching versions and the environment variables they need."""

    postgres_bin: Path
    major: int
    redis_server: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_binaries(paths: InstallPaths, *, major: int | None = None) -> Binaries:
    """Return PostgreSQL with TimescaleDB, and Redis, fetching them if necessary.

    Args:
        paths: Folders of the checkout, among them the cache.
        major: Major version that an existing cluster needs; None for a new one.

    Raises:
        EmbeddedError: The system has no suitable programs and they cannot be fetched.
    """
    system = next(_system_binaries(major), None)
    if system:
        return system
    if major not in {None, _FETCHED_MAJOR_VERSION}:
        msg = (
            f"The data in {paths.postgres} needs PostgreSQL {major}, which is no longer installed "
            "with TimescaleDB. Install it again, or start over with `make reset`, which deletes "
            "that data."
        )
        raise EmbeddedError(msg)
    root = fetched_services(paths.cache)
    if root is None:
        try:
            root = fetch_services(paths.cache)
        except EmbeddedError as error:
            msg = f"{error}\n{_DOCKER_ADVICE}"
            raise EmbeddedError(msg) from error
    _check_time_zones()
    return Binaries(
        root / f"usr/lib/postgresql/{_FETCHED_MAJOR_VERSION}/bin",
        _FETCHED_MAJOR_VERSION,
        root / "usr/bin/redis-server",
        {"LOCPATH": str(root / "usr/lib/locale")},
    )


def _system_binaries(major: int | None) -> Iterator[Binaries]:
    redis_server = shutil.which("redis-server", path=_search_path())
    if redis_server is None:
        return
    for folder in _system_folders():
        found = _major_version(folder)
        if found is None or found < MIN_MAJOR_VERSION or major not in {None, found}:
            continue
        if _has_timescale(folder, found):
            yield Binaries(folder, found, Path(redis_server))


def _system_folders() -> list[Path]:
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders.sort(key=lambda folder: _number(folder.parent.name), reverse=True)
    if config := shutil.which("pg_config"):
        folders.append(Path(run([config, "--bindir"]).stdout.strip()))
    return [folder for folder in folders if (folder / "initdb").exists()]


def _has_timescale(folder: Path, major: int) -> bool:
    shares = [Path(f"/usr/share/postgresql/{major}")]
    if (folder / "pg_config").exists():
        shares.append(Path(run([folder / "pg_config", "--sharedir"]).stdout.strip()))
    return any((share / "extension/timescaledb.control").exists() for share in shares)


def _major_version(folder: Path) -> int | None:
    result = run([folder / "postgres", "--version"]).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", result)
    return int(match[1]) if match else None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/local/bin"])


def _check_time_zones() -> None:
    # Debian's PostgreSQL reads the system's time zones from a path that is compiled in.
    if not Path("/usr/share/zoneinfo/UTC").exists():
        msg = "The time zone files are missing. Install them: apt-get install tzdata"
        raise EmbeddedError(msg)
