"""PostgreSQL's data folder: made once, and its settings, written anew at each start."""

from __future__ import annotations

import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.binaries import Binaries
from urfmp.embedded.system.files import read_text, remove_tree
from urfmp.embedded.system.output import say
from urfmp.embedded.system.processes import (
    Account,
    own,
    own_folder,
    processes_in,
    run,
    server_account,
    stop,
)

# From this version on PostgreSQL brings the C.UTF-8 locale itself; an older one asks libc.
_BUILTIN_LOCALE = 17
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cluster:
    """One PostgreSQL: its folder, the folder of its socket, and who it runs as."""

    folder: Path
    socket: Path
    account: Account | None

    @classmethod
    def at(cls, folder: Path, socket: Path) -> Cluster:
        """Return the cluster of a folder that may not exist yet."""
        return cls(folder, socket, server_account(folder))

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder, and the working folder of all of its processes."""
        return self.folder / "data"

    @property
    def start_log(self) -> Path:
        """What the server says before it writes to its log folder: why it does not start."""
        return self.folder / "start.log"

    @property
    def major(self) -> int | None:
        """The major version that made the data; None before there is any."""
        version = read_text(self.data / "PG_VERSION").strip()
        return int(version) if version.isdigit() else None


def make_cluster(cluster: Cluster, binaries: Binaries, password: str) -> None:
    """Make the folders and, unless there is one, the data folder with its superuser `postgres`.

    The data folder appears by a rename, so it is never half made.
    """
    for folder in (cluster.folder, cluster.socket):
        own_folder(folder, cluster.account)
    if cluster.major is not None:
        return
    say("making the database cluster")
    draft = cluster.folder / "data.new"
    # An initdb that was interrupted may still be at work, or its server: the latter in the draft.
    stop([*processes_in(cluster.folder), *processes_in(draft)], [(signal.SIGKILL, 2.0)])
    remove_tree(draft)
    with tempfile.NamedTemporaryFile("w", dir=cluster.folder, encoding="utf-8") as file:
        file.write(password)
        file.flush()
        own(Path(file.name), cluster.account)
        command = _initdb(binaries, draft, Path(file.name))
        answer = run(
            command,
            account=cluster.account,
            environment=binaries.environment,
            cwd=cluster.folder,
        )
    if answer.returncode:
        msg = f"PostgreSQL's data folder could not be made in {cluster.folder}:\n{answer.stderr}"
        raise EmbeddedError(msg)
    draft.rename(cluster.data)


def _initdb(binaries: Binaries, draft: Path, password_file: Path) -> list[str | Path]:
    options = [
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        f"--pwfile={password_file}",
        f"--pgdata={draft}",
    ]
    if binaries.major >= _BUILTIN_LOCALE:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [binaries.postgres_bin / "initdb", *options]


def write_settings(cluster: Cluster) -> None:
    """Write the server's settings, which are ours: what someone edits there is replaced."""
    path = cluster.data / "postgresql.conf"
    path.write_text(settings(cluster.socket, _memory(), os.cpu_count() or 1), encoding="utf-8")
    path.chmod(0o600)
    own(path, cluster.account)


def settings(socket: Path, memory: int, processors: int) -> str:
    """Return postgresql.conf for a small server.

    Args:
        socket: The only place where the server listens.
        memory: Bytes that the machine, or our share of it, has.
        processors: How many it has.
    """
    return f"""\
# Written at each start by urfmp/embedded/servers/cluster.py.
listen_addresses = ''
port = 5432
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
password_encryption = scram-sha-256
max_connections = 100
timezone = 'UTC'
log_timezone = 'UTC'

shared_buffers = {_megabytes(memory // 8, 128, 1024)}MB
effective_cache_size = {_megabytes(memory // 2, 256, 65536)}MB
maintenance_work_mem = {_megabytes(memory // 16, 64, 256)}MB
work_mem = 16MB
random_page_cost = 1.1
jit = off

fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

autovacuum = on
# A hypertable is many tables, and each test database has workers of its own.
max_locks_per_transaction = 256
max_worker_processes = {16 + processors}
max_parallel_workers = {processors}
shared_preload_libraries = 'timescaledb'
timescaledb.max_background_workers = 8
timescaledb.telemetry_level = off

logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_checkpoints = off
log_line_prefix = '%m [%p] %u@%d '
"""


def _megabytes(size: int, least: int, most: int) -> int:
    return max(least, min(most, size // _MEGABYTE))


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = read_text(Path("/sys/fs/cgroup/memory.max")).strip()
    return min(total, int(limit)) if limit.isdigit() else total
