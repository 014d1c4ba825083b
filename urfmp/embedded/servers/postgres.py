"""Start and stop one private PostgreSQL, and clear away what a killed one left."""

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
from urfmp.embedded.system.processes import processes_in, start_daemon, stop, works_in

if TYPE_CHECKING:
    import psycopg

_START_LIMIT = 30.0
_STOP = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))
_STOP_ORPHANS = ((signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))


def connect(cluster: Cluster, password: str, database: str = "postgres") -> psycopg.Connection:
    """Connect as the superuser, in autocommit mode."""
    # Not every command needs a connection, and importing it takes a while.
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
    """Return the running server's process id; None if it does not run."""
    first_line = read_text(cluster.data / "postmaster.pid").partition("\n")[0].strip()
    pid = int(first_line) if first_line.isdigit() else None
    return pid if works_in(pid, cluster.data) else None


def start_postgres(cluster: Cluster, binaries: Binaries, password: str) -> None:
    """Start the server, making its data folder if need be, and wait until it takes connections.

    Raises:
        EmbeddedError: It does not start; the message holds the end of its log.
    """
    make_cluster(cluster, binaries, password)
    clear_leftovers(cluster)
    write_settings(cluster)
    server = start_daemon(
        [binaries.postgres_bin / "postgres", "-D", cluster.data],
        log=cluster.start_log,
        cwd=cluster.data,
        account=cluster.account,
        environment=binaries.environment,
    )
    _wait_until_ready(cluster, password, server)


def clear_leftovers(cluster: Cluster) -> None:
    """End the processes of a server that was killed and remove its lock where it is stale.

    PostgreSQL takes any process that has the number in its lock file for a running server, which
    after a reboot is often another one. The lock is only removed when nothing works in the data
    folder any more.
    """
    if orphans := processes_in(cluster.data):
        stop(orphans, _STOP_ORPHANS)
    if not processes_in(cluster.data):
        for stale in (cluster.data / "postmaster.pid", *cluster.socket.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def stop_postgres(cluster: Cluster) -> bool:
    """Stop the server, rolling back what is open; return whether one was running."""
    pid = server_pid(cluster)
    if pid is None:
        clear_leftovers(cluster)
        return False
    stop([pid], _STOP)
    clear_leftovers(cluster)
    return True


def _wait_until_ready(cluster: Cluster, password: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg  # noqa: PLC0415

    progress = Progress()
    progress.show("starting PostgreSQL")
    deadline = time.monotonic() + _START_LIMIT
    while True:
        try:
            connect(cluster, password).close()
        except psycopg.OperationalError as error:
            _give_up_on(str(error), cluster)
            if server.poll() is not None:
                raise EmbeddedError(_why_not(cluster)) from error
            # Recovery after a crash may take as long as it needs; silence may not.
            if "starting up" in str(error) or "not yet accepting" in str(error):
                deadline = time.monotonic() + _START_LIMIT
            if time.monotonic() > deadline:
                msg = f"PostgreSQL does not answer: {error}\nIts log is in {cluster.folder}/log."
                raise EmbeddedError(msg) from error
            progress.show("starting PostgreSQL", "not ready yet")
            time.sleep(0.05)
        else:
            return


def _give_up_on(complaint: str, cluster: Cluster) -> None:
    if "password authentication failed" in complaint:
        msg = (
            f"The passwords in {cluster.folder.parent} are not those of the database there. "
            "`make reset` starts afresh and deletes this checkout's data."
        )
        raise EmbeddedError(msg)


def _why_not(cluster: Cluster) -> str:
    logs = sorted((cluster.folder / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    said = "\n".join(tail(path, 8) for path in [cluster.start_log, *logs[-1:]])
    if "No space left on device" in said:
        return f"The disk of {cluster.folder} is full: free some space and try again."
    return f"PostgreSQL does not start. The end of its log ({cluster.folder}/log):\n{said}"
