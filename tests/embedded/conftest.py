"""Fixtures: services of test checkouts in their own state folders.

They share the machine's cache of programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from urfmp.embedded.system.paths import checkout_root, find_install_paths
from urfmp.embedded.system.processes import processes_in

_SUITE_VARIABLES = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
)


@dataclass(frozen=True)
class Checkout:
    """Services of one state folder, used through the command line."""

    state: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _SUITE_VARIABLES}
        return {**kept, "URFMP_STATE_DIR": str(self.state)}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "urfmp.embedded", *arguments],
            cwd=checkout_root(),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def up(self) -> None:
        answer = self.call("up")
        assert answer.returncode == 0, answer.stderr

    def addresses(self) -> dict[str, str]:
        answer = self.call("env")
        assert answer.returncode == 0, answer.stderr
        return dict(line.split("=", 1) for line in answer.stdout.splitlines())

    def connect(self, name: str = "ADMIN_DATABASE_URL") -> psycopg.Connection:
        return psycopg.connect(self.addresses()[name], autocommit=True)

    @property
    def data(self) -> Path:
        return self.state / "postgres/data"

    @property
    def postgres_pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def redis_pid(self) -> int:
        return processes_in(self.state / "redis")[0]

    def running(self) -> bool:
        return self.call("status").returncode == 0


def _quick_folder() -> str | None:
    """Return a memory file system if it has enough space.

    These tests create many clusters, each of which is synced to disk.
    """
    memory = Path("/dev/shm")
    enough = memory.is_dir() and shutil.disk_usage(memory).free > 2_000_000_000
    return str(memory) if enough else None


@pytest.fixture(scope="module")
def make_checkout() -> Iterator[object]:
    made: list[Checkout] = []

    def make() -> Checkout:
        # Not pytest's tmp_path: the servers' account cannot enter it.
        folder = Path(tempfile.mkdtemp(prefix="urfmp-test-", dir=_quick_folder()))
        folder.chmod(0o711)
        made.append(Checkout(folder / "state"))
        return made[-1]

    cache = find_install_paths().cache
    if not list(cache.glob("services-*")) and not shutil.which("redis-server"):
        pytest.skip("the services' programs have not been fetched on this machine")
    yield make
    for checkout in made:
        checkout.call("reset")
        shutil.rmtree(checkout.state.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def checkout(make_checkout) -> Checkout:
    """Running services, shared by the tests of one module."""
    made = make_checkout()
    made.up()
    return made
