"""Fixtures: checkouts' services in state folders of their own, with the machine's shared cache."""

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

from urfmp.embedded.system.paths import checkout_root, find_places
from urfmp.embedded.system.processes import processes_in

_OF_THE_SUITE = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
)


@dataclass(frozen=True)
class Checkout:
    """Services of one state folder, used as a person would: by the command."""

    state: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_SUITE}
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
    """Memory, where there is enough: these tests make many clusters, and each is synced."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and shutil.disk_usage(memory).free > 2_000_000_000
    return str(memory) if enough else None


@pytest.fixture(scope="module")
def make_checkout() -> Iterator[object]:
    made: list[Checkout] = []

    def make() -> Checkout:
        # Not pytest's folder: the servers' account could not enter it.
        folder = Path(tempfile.mkdtemp(prefix="urfmp-test-", dir=_quick_folder()))
        folder.chmod(0o711)
        made.append(Checkout(folder / "state"))
        return made[-1]

    cache = find_places().cache
    if not list(cache.glob("services-*")) and not shutil.which("redis-server"):
        pytest.skip("the services' programs were never fetched on this machine")
    yield make
    for checkout in made:
        checkout.call("reset")
        shutil.rmtree(checkout.state.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def checkout(make_checkout) -> Checkout:
    """Services that the tests of one module break one after the other."""
    made = make_checkout()
    made.up()
    return made
