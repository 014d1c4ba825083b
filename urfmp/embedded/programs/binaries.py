"""Find the servers' programs: the system's own, else Debian's, fetched into the cache."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.fetch import fetch_services, fetched_services
from urfmp.embedded.system.paths import Places
from urfmp.embedded.system.processes import run

MINIMUM_MAJOR = 15
_FETCHED_MAJOR = 17
_DOCKER_ADVICE = "Where Docker is at hand, `docker compose up` runs the same product from images."


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs that fit together, and the variables that they need."""

    postgres_bin: Path
    major: int
    redis_server: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_binaries(places: Places, *, major: int | None = None) -> Binaries:
    """Return PostgreSQL with TimescaleDB, and Redis, fetching them where the system has none.

    Args:
        places: Where the cache is.
        major: The major version that an existing cluster needs; None for a new one.

    Raises:
        EmbeddedError: There are none and they cannot be fetched here.
    """
    system = next(_system_binaries(major), None)
    if system:
        return system
    if major not in {None, _FETCHED_MAJOR}:
        msg = (
            f"The data in {places.postgres} is PostgreSQL {major}'s, which is no longer installed "
            "with TimescaleDB. Install it again, or start afresh with `make reset`, which deletes "
            "that data."
        )
        raise EmbeddedError(msg)
    root = fetched_services(places.cache)
    if root is None:
        try:
            root = fetch_services(places.cache)
        except EmbeddedError as error:
            msg = f"{error}\n{_DOCKER_ADVICE}"
            raise EmbeddedError(msg) from error
    _check_zones()
    return Binaries(
        root / f"usr/lib/postgresql/{_FETCHED_MAJOR}/bin",
        _FETCHED_MAJOR,
        root / "usr/bin/redis-server",
        {"LOCPATH": str(root / "usr/lib/locale")},
    )


def _system_binaries(major: int | None) -> Iterator[Binaries]:
    redis_server = shutil.which("redis-server", path=_search_path())
    if redis_server is None:
        return
    for folder in _system_folders():
        found = _major(folder)
        if found is None or found < MINIMUM_MAJOR or major not in {None, found}:
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


def _major(folder: Path) -> int | None:
    answer = run([folder / "postgres", "--version"]).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(match[1]) if match else None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/local/bin"])


def _check_zones() -> None:
    # Debian's PostgreSQL reads the system's time zones at a path that is compiled in.
    if not Path("/usr/share/zoneinfo/UTC").exists():
        msg = "The time zone files are missing; install them: apt-get install tzdata"
        raise EmbeddedError(msg)
