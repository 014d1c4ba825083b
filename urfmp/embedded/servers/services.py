"""Start and stop PostgreSQL and Redis together, and track their users."""

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
from urfmp.embedded.servers.redis import Redis, redis_responds, start_redis, stop_redis
from urfmp.embedded.system.files import file_lock, read_text, remove_tree, try_lock
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.paths import InstallPaths, socket_folder, state_base
from urfmp.embedded.system.processes import check_folder_access, processes_in

_LOCK_OWNER = "another process that is starting or stopping these services"
_MIN_FREE_BYTES = 300_000_000
_PRUNE_AFTER_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Services:
    """The two servers of one checkout and their passwords."""

    paths: InstallPaths
    credentials: Credentials
    cluster: Cluster
    redis: Redis

    @classmethod
    def for_paths(cls, paths: InstallPaths) -> Services:
        """Return the services of a checkout.

        Creates the state folder and generates the passwords if missing.
        """
        paths.create()
        with file_lock(
            paths.state / "credentials.lock", "another process that is generating the passwords"
        ):
            credentials = load_credentials(paths.state)
        return cls(
            paths,
            credentials,
            Cluster.at(paths.postgres, paths.socket),
            Redis.at(paths.redis, credentials.redis),
        )


def up(services: Services, *, keep: bool) -> None:
    """Start the servers that are not running and wait until both respond.

    Args:
        services: Services to start.
        keep: Whether they keep running after the last `running_services` block.

    Raises:
        EmbeddedError: The programs cannot be found or fetched, or a server does not start.
    """
    state = services.paths.state
    with file_lock(state / "lock", _LOCK_OWNER):
        transient = state / "transient"
        running = server_pid(services.cluster) is not None or redis_responds(services.redis)
        if keep:
            transient.unlink(missing_ok=True)
        elif not running:
            transient.touch()
        _start_missing(services)


def down(services: Services) -> list[str]:
    """Stop the running servers; return their names."""
    with file_lock(services.paths.state / "lock", _LOCK_OWNER):
        return _stop(services)


@contextmanager
def running_services(services: Services, *, always_stop: bool = False) -> Iterator[None]:
    """Keep both servers running for the duration of a block.

    The last block to finish stops them, unless `up` started them. A block whose process was killed
    counts as finished.

    Args:
        services: Services to keep running.
        always_stop: Stop them even if `up` started them.
    """
    state = services.paths.state
    # Acquired before the start, so that another block that finishes meanwhile does not stop the
    # servers.
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
    state = services.paths.state
    with file_lock(state / "lock", _LOCK_OWNER):
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
    (services.paths.state / "transient").unlink(missing_ok=True)
    return stopped


def _start_missing(services: Services) -> None:
    postgres_runs = _postgres_responds(services)
    redis_runs = redis_responds(services.redis)
    if not (postgres_runs and redis_runs):
        _check_space(services.paths.state)
        prune(services.paths)
        binaries = find_binaries(services.paths, major=services.cluster.major)
        check_folder_access(services.cluster.account, [services.paths.state, binaries.postgres_bin])
        if not redis_runs:
            start_redis(services.redis, binaries)
        if not postgres_runs:
            stop_postgres(services.cluster)
            start_postgres(services.cluster, binaries, services.credentials.postgres)
    bootstrap(services.cluster, services.credentials)


def _postgres_responds(services: Services) -> bool:
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
    if free < _MIN_FREE_BYTES:
        msg = (
            f"The disk of {state} is full ({free // 1_000_000} MB free). Free at least "
            f"{_MIN_FREE_BYTES // 1_000_000} MB, or set URFMP_STATE_DIR to a folder on another "
            "disk."
        )
        raise EmbeddedError(msg)


def prune(paths: InstallPaths) -> None:
    """Remove the state of deleted checkouts.

    The state must be unused for a week and have no running server.
    """
    base = state_base()
    if paths.state.parent != base:
        return
    for folder in base.iterdir():
        note = folder / "checkout"
        checkout = read_text(note).strip()
        if not checkout or Path(checkout).exists():
            continue
        if time.time() - note.stat().st_mtime < _PRUNE_AFTER_SECONDS:
            continue
        if processes_in(folder / "postgres/data") or processes_in(folder / "redis"):
            continue
        log_message(f"removing the state of the deleted checkout {checkout}")
        remove_tree(socket_folder(folder))
        remove_tree(folder)


def reset(services: Services) -> None:
    """Stop the servers and delete the checkout's state."""
    down(services)
    remove_tree(services.paths.socket)
    remove_tree(services.paths.state)
