"""Both servers of a checkout together: up, down, and who still needs them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.binaries import find_binaries
from urfmp.embedded.servers.bootstrap import bootstrap
from urfmp.embedded.servers.cluster import Cluster
from urfmp.embedded.servers.credentials import Credentials, load_credentials
from urfmp.embedded.servers.postgres import connect, server_pid, start_postgres, stop_postgres
from urfmp.embedded.servers.redis import Redis, redis_answers, start_redis, stop_redis
from urfmp.embedded.system.files import locked, read_text, remove_tree, try_lock
from urfmp.embedded.system.output import say
from urfmp.embedded.system.paths import Places, socket_folder, state_base
from urfmp.embedded.system.processes import check_reachable, processes_in

_OTHERS = "another process that starts or stops these services"
_LEAST_FREE = 300_000_000
_PRUNE_AFTER = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Services:
    """The two servers of one checkout and their passwords."""

    places: Places
    credentials: Credentials
    cluster: Cluster
    redis: Redis

    @classmethod
    def of(cls, places: Places) -> Services:
        """Return the services of a checkout, making its state folder and passwords if need be."""
        places.make()
        with locked(places.state / "credentials.lock", "another process to make the passwords"):
            credentials = load_credentials(places.state)
        return cls(
            places,
            credentials,
            Cluster.at(places.postgres, places.socket),
            Redis.at(places.redis, credentials.redis),
        )


def up(services: Services, *, keep: bool) -> None:
    """Start what does not run, and wait until both answer.

    Args:
        services: What to start.
        keep: Whether they stay up when the last `using` block ends.

    Raises:
        EmbeddedError: The programs cannot be found or fetched, or a server does not start.
    """
    state = services.places.state
    with locked(state / "lock", _OTHERS):
        transient = state / "transient"
        running = server_pid(services.cluster) is not None or redis_answers(services.redis)
        if keep:
            transient.unlink(missing_ok=True)
        elif not running:
            transient.touch()
        _start_missing(services)


def down(services: Services) -> list[str]:
    """Stop what runs; return the names of what was running."""
    with locked(services.places.state / "lock", _OTHERS):
        return _stop(services)


@contextmanager
def using(services: Services, *, always_stop: bool = False) -> Iterator[None]:
    """Have both servers up for the length of a block.

    The last block to end stops them, if a block and not `up` had started them. A block that was
    killed counts as ended.

    Args:
        services: What to have up.
        always_stop: Stop them even where `up` had started them.
    """
    state = services.places.state
    # Taken before the start, so that another block that ends meanwhile leaves them running.
    user = try_lock(state / "users", shared=True)
    while user is None:
        time.sleep(0.05)
        user = try_lock(state / "users", shared=True)
    try:
        up(services, keep=False)
        yield
    finally:
        os.close(user)
        _stop_if_unused(services, always_stop=always_stop)


def _stop_if_unused(services: Services, *, always_stop: bool) -> None:
    state = services.places.state
    with locked(state / "lock", _OTHERS):
        if not always_stop and not (state / "transient").exists():
            return
        alone = try_lock(state / "users")
        if alone is None:
            return
        try:
            _stop(services)
        finally:
            os.close(alone)


def _stop(services: Services) -> list[str]:
    stopped = []
    if stop_redis(services.redis):
        stopped.append("Redis")
    if stop_postgres(services.cluster):
        stopped.append("PostgreSQL")
    (services.places.state / "transient").unlink(missing_ok=True)
    return stopped


def _start_missing(services: Services) -> None:
    postgres_runs = _postgres_answers(services)
    redis_runs = redis_answers(services.redis)
    if not (postgres_runs and redis_runs):
        _check_space(services.places.state)
        prune(services.places)
        binaries = find_binaries(services.places, major=services.cluster.major)
        check_reachable(services.cluster.account, [services.places.state, binaries.postgres_bin])
        if not redis_runs:
            start_redis(services.redis, binaries)
        if not postgres_runs:
            stop_postgres(services.cluster)
            start_postgres(services.cluster, binaries, services.credentials.postgres)
    bootstrap(services.cluster, services.credentials)


def _postgres_answers(services: Services) -> bool:
    import psycopg  # noqa: PLC0415

    if server_pid(services.cluster) is None:
        return False
    for _ in range(3):
        try:
            connect(services.cluster, services.credentials.postgres).close()
        except psycopg.OperationalError:
            time.sleep(0.3)
        else:
            return True
    return False


def _check_space(state: Path) -> None:
    free = shutil.disk_usage(state).free
    if free < _LEAST_FREE:
        msg = (
            f"The disk of {state} is full ({free // 1_000_000} MB free): free at least "
            f"{_LEAST_FREE // 1_000_000} MB, or set URFMP_STATE_DIR to a folder on another disk."
        )
        raise EmbeddedError(msg)


def prune(places: Places) -> None:
    """Remove the state of checkouts that are gone, unused for a week, and have no live server."""
    base = state_base()
    if places.state.parent != base:
        return
    for folder in base.iterdir():
        note = folder / "checkout"
        checkout = read_text(note).strip()
        if not checkout or Path(checkout).exists():
            continue
        if time.time() - note.stat().st_mtime < _PRUNE_AFTER:
            continue
        if processes_in(folder / "postgres/data") or processes_in(folder / "redis"):
            continue
        say(f"removing the state of {checkout}, which is gone")
        remove_tree(socket_folder(folder))
        remove_tree(folder)


def reset(services: Services) -> None:
    """Stop what runs and delete the checkout's state."""
    down(services)
    remove_tree(services.places.socket)
    remove_tree(services.places.state)
