"""Start and stop the private PostgreSQL server; clean up after crashes."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.binaries import Binaries
from urfmp.embedded.servers.cluster import Cluster, make_cluster, write_settings
from urfmp.embedded.system.files import read_text, tail
from urfmp.embedded.system.output import Progress
from urfmp.embedded.system.processes import (
    is_running_in,
    processes_in,
    start_daemon,
    stop_processes,
)

if TYPE_CHECKING:
    import psycopg

_START_TIMEOUT_SECONDS = 30.0
_STOP_SIGNALS = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))
_ORPHAN_STOP_SIGNALS = ((signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))


def connect(cluster: Cluster, password: str, database: str = "postgres") -> psycopg.Connection:
    """Connect as the superuser, in autocommit mode."""
    # Imported here: not every command needs a connection, and the import is slow.
    import psycopg  # noqa: PLC0415

    return psycopg.connect(
        host=str(cluster.socket),
        port=5432,
        user="postgres",
        password=password,
        dbname=database,
        connect_timeout=5,
        autocommit=True,
        application_name="urfmp-embedded",
    )


def server_pid(cluster: Cluster) -> int | None:
    """Return the process id of the running server, or None."""
    first_line = read_text(cluster.data / "postmaster.pid").partition("\n")[0].strip()
    pid = int(first_line) if first_line.isdigit() else None
    return pid if is_running_in(pid, cluster.data) else None


def start_postgres(cluster: Cluster, binaries: Binaries, password: str) -> None:
    """Start the server and wait until it accepts connections.

    Creates the data folder if there is none.

    Raises:
        EmbeddedError: The server does not start; the message contains the end of its log.
    """
    make_cluster(cluster, binaries, password)
    clean_up_after_crash(cluster)
    write_settings(cluster)
    server = start_daemon(
        [binaries.postgres_bin / "postgres", "-D", cluster.data],
        log=cluster.start_log,
        cwd=cluster.data,
        account=cluster.account,
        environment=binaries.environment,
    )
    _wait_until_ready(cluster, password, server)


def clean_up_after_crash(cluster: Cluster) -> None:
    """Stop orphaned server processes and remove stale lock files.

    PostgreSQL treats any process with the id in its lock file as a running server. After a reboot
    that id often belongs to another program. The lock files are removed only when no process works
    in the data folder.
    """
    if orphans := processes_in(cluster.data):
        stop_processes(orphans, _ORPHAN_STOP_SIGNALS)
    if not processes_in(cluster.data):
        for stale in (cluster.data / "postmaster.pid", *cluster.socket.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def stop_postgres(cluster: Cluster) -> bool:
    """Stop the server, rolling back open transactions.

    Returns:
        Whether a server was running.
    """
    pid = server_pid(cluster)
    if pid is None:
        clean_up_after_crash(cluster)
        return False
    stop_processes([pid], _STOP_SIGNALS)
    clean_up_after_crash(cluster)
    return True


def _wait_until_ready(cluster: Cluster, password: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg  # noqa: PLC0415

    progress = Progress()
    progress.show("starting PostgreSQL")
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            connect(cluster, password).close()
        except psycopg.OperationalError as error:
            _raise_if_wrong_password(str(error), cluster)
            if server.poll() is not None:
                raise EmbeddedError(_start_failure_message(cluster)) from error
            # Crash recovery may take any time, so the timeout restarts while the server reports it.
            if "starting up" in str(error) or "not yet accepting" in str(error):
                deadline = time.monotonic() + _START_TIMEOUT_SECONDS
            if time.monotonic() > deadline:
                msg = f"PostgreSQL does not respond: {error}\nIts log is in {cluster.folder}/log."
                raise EmbeddedError(msg) from error
            progress.show("starting PostgreSQL", "not ready yet")
            time.sleep(0.05)
        else:
            return


def _raise_if_wrong_password(error_text: str, cluster: Cluster) -> None:
    if "password authentication failed" in error_text:
        msg = (
            f"The passwords in {cluster.folder.parent} do not match the database there. "
            "`make reset` deletes this checkout's data and starts over."
        )
        raise EmbeddedError(msg)


def _start_failure_message(cluster: Cluster) -> str:
    logs = sorted((cluster.folder / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    log_end = "\n".join(tail(path, 8) for path in [cluster.start_log, *logs[-1:]])
    if "No space left on device" in log_end:
        return f"The disk of {cluster.folder} is full: free some space and try again."
    return f"PostgreSQL does not start. End of its log ({cluster.folder}/log):\n{log_end}"
