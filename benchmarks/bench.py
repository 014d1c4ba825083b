"""Environment of a benchmark: migrated database, servers and sizes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.server import Server, serving

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "urfmp_bench"


@dataclass(frozen=True)
class Bench:
    """Parameters of a run and its database.

    Attributes:
        rows: Telemetry rows for the read benchmarks (ROWS=).
        rounds: Number of alternating rounds of product and yardstick.
        urls: Addresses of the benchmark database by role: `app`, `owner` and, on the embedded
            services, `admin`.
    """

    rows: int
    rounds: int
    urls: dict[str, str]

    @contextmanager
    def connect(self, role: str = "app") -> Iterator[psycopg.Connection]:
        """Open a connection in autocommit mode as `app`, `owner` or `admin`."""
        with psycopg.connect(self.urls[role], autocommit=True) as connection:
            yield connection

    def settle(self) -> None:
        """Flush pending writes, so that each measurement starts alike."""
        if "admin" in self.urls:
            with self.connect("admin") as connection:
                connection.execute("CHECKPOINT")

    @contextmanager
    def server(self, *, workers: int = 2) -> Iterator[Server]:
        """Run the web process as in production, plus the views of `benchmarks.urls`."""
        with serving(workers) as server:
            yield server

    def medians(self, *measures: Callable[[int], float]) -> list[float]:
        """Run the measures in turn, `rounds` times; return their medians.

        Args:
            measures: Functions that get the number of the round and return a figure.
        """
        figures: list[list[float]] = [[] for _ in measures]
        for turn in range(self.rounds):
            for measure, found in zip(measures, figures, strict=True):
                self.settle()
                found.append(measure(turn))
                name = getattr(measure, "__name__", "")
                log_progress(f"  round {turn + 1} {name}: {found[-1]:,.0f}")
        return [statistics.median(found) for found in figures]


def log_progress(text: str) -> None:
    """Write a line to stderr; only the table goes to stdout."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def prepare(*, fresh: bool) -> dict[str, str]:
    """Create the benchmark database and configure this process for it.

    Child processes inherit the configuration. The database is kept for the next run, so that large
    data need not be generated again.

    Args:
        fresh: Drop the existing database first.

    Returns:
        The database addresses by role.
    """
    names = {"app": "DATABASE_URL", "owner": "MIGRATION_DATABASE_URL"}
    if "ADMIN_DATABASE_URL" in os.environ:
        names["admin"] = "ADMIN_DATABASE_URL"
    owner = os.environ["MIGRATION_DATABASE_URL"]
    with psycopg.connect(owner, autocommit=True) as connection:
        if fresh:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if exists.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
            connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO urfmp_app")
    urls = {role: _with_database(os.environ[name]) for role, name in names.items()}
    os.environ.update({names[role]: url for role, url in urls.items()})
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "INSECURE_HTTP": "True",
            "DEBUG": "False",
            "LOG_LEVEL": "ERROR",
            # Requests are counted as usual, against limits that are never reached.
            "ORGANIZATION_RATE_LIMIT": "1000000000",
        }
    )
    log_progress("building the database")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True
    )
    return urls


def _with_database(url: str) -> str:
    start, _, rest = url.rpartition("/")
    _, mark, options = rest.partition("?")
    return f"{start}/{DATABASE}{mark}{options}"
