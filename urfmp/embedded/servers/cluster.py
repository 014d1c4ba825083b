"""Create PostgreSQL's data folder and write its settings.

The folder is created once. The settings are rewritten at each start.
"""

from __future__ import annotations

import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.binaries import Binaries
from urfmp.embedded.system.files import read_text, remove_tree
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.processes import (
    UnixAccount,
    chown_to,
    make_private_folder,
    processes_in,
    run,
    server_account,
    stop_processes,
)

# From this version on PostgreSQL has a built-in C.UTF-8 locale; an older version uses libc's.
_BUILTIN_LOCALE_VERSION = 17
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cluster:
    """One PostgreSQL cluster: its folder, socket folder and account."""

    folder: Path
    socket: Path
    account: UnixAccount | None

    @classmethod
    def at(cls, folder: Path, socket: Path) -> Cluster:
        """Return the cluster of a folder, which need not exist yet."""
        return cls(folder, socket, server_account(folder))

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder, the working directory of its processes."""
        return self.folder / "data"

    @property
    def start_log(self) -> Path:
        """Output of the server before it opens its log folder.

        It explains a failed start.
        """
        return self.folder / "start.log"

    @property
    def major(self) -> int | None:
        """Major version that created the data, or None without data."""
        version = read_text(self.data / "PG_VERSION").strip()
        return int(version) if version.isdigit() else None


def make_cluster(cluster: Cluster, binaries: Binaries, password: str) -> None:
    """Create the folders and, if missing, the data folder with superuser `postgres`.

    The data folder is created under another name and renamed, so it is never incomplete.
    """
    for folder in (cluster.folder, cluster.socket):
        make_private_folder(folder, cluster.account)
    if cluster.major is not None:
        return
    log_message("creating the database cluster")
    draft = cluster.folder / "data.new"
    # An interrupted initdb may still be running, or its server, whose working directory is the
    # draft.
    stop_processes([*processes_in(cluster.folder), *processes_in(draft)], [(signal.SIGKILL, 2.0)])
    remove_tree(draft)
    with tempfile.NamedTemporaryFile("w", dir=cluster.folder, encoding="utf-8") as file:
        file.write(password)
        file.flush()
        chown_to(Path(file.name), cluster.account)
        command = _initdb(binaries, draft, Path(file.name))
        result = run(
            command,
            account=cluster.account,
            environment=binaries.environment,
            cwd=cluster.folder,
        )
    if result.returncode:
        msg = f"PostgreSQL's data folder could not be created in {cluster.folder}:\n{result.stderr}"
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
    if binaries.major >= _BUILTIN_LOCALE_VERSION:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [binaries.postgres_bin / "initdb", *options]


def write_settings(cluster: Cluster) -> None:
    """Write postgresql.conf, overwriting manual changes."""
    path = cluster.data / "postgresql.conf"
    path.write_text(
        postgresql_conf(cluster.socket, _memory_bytes(), os.cpu_count() or 1), encoding="utf-8"
    )
    path.chmod(0o600)
    chown_to(path, cluster.account)


def postgresql_conf(socket: Path, memory_bytes: int, processors: int) -> str:
    """Return postgresql.conf for a small server.

    Args:
        socket: Folder of the Unix socket; the server does not listen on TCP.
        memory_bytes: Memory of the machine or of this container.
        processors: Number of processors.
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

shared_buffers = {_clamped_megabytes(memory_bytes // 8, 128, 1024)}MB
effective_cache_size = {_clamped_megabytes(memory_bytes // 2, 256, 65536)}MB
maintenance_work_mem = {_clamped_megabytes(memory_bytes // 16, 64, 256)}MB
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
# A hypertable consists of many tables, and each test database has its own workers.
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


def _clamped_megabytes(size: int, min_mb: int, max_mb: int) -> int:
    return max(min_mb, min(max_mb, size // _MEGABYTE))


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = read_text(Path("/sys/fs/cgroup/memory.max")).strip()
    return min(total, int(limit)) if limit.isdigit() else total
