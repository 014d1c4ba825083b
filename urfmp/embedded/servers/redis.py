"""Start and stop the private Redis server.

Redis is a cache here, so nothing is persisted to disk.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.binaries import Binaries
from urfmp.embedded.system.files import read_text, tail, write_atomically
from urfmp.embedded.system.ports import HOST, free_port, is_free
from urfmp.embedded.system.processes import (
    UnixAccount,
    chown_to,
    make_private_folder,
    processes_in,
    server_account,
    start_daemon,
    stop_processes,
)

_MAX_ATTEMPTS = 5
_START_TIMEOUT_SECONDS = 10.0
_STOP_SIGNALS = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))


@dataclass(frozen=True, slots=True)
class Redis:
    """One Redis server: its folder, password and account."""

    folder: Path
    password: str
    account: UnixAccount | None

    @classmethod
    def at(cls, folder: Path, password: str) -> Redis:
        """Return the Redis of a folder, which need not exist yet."""
        return cls(folder, password, server_account(folder))

    @property
    def log(self) -> Path:
        """Log of the last start; each start truncates it."""
        return self.folder / "redis.log"

    @property
    def port(self) -> int | None:
        """Port of the last start, or None before the first."""
        text = read_text(self.folder / "port").strip()
        return int(text) if text.isdigit() else None


def redis_responds(redis: Redis, timeout: float = 1.0) -> bool:
    """Return whether our Redis responds on the port of its last start.

    Only our Redis accepts the password, so another server on that port does not count.
    """
    if redis.port is None:
        return False
    command = f"AUTH {redis.password}\r\nPING\r\n".encode()
    try:
        with socket.create_connection((HOST, redis.port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(command)
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def start_redis(redis: Redis, binaries: Binaries) -> None:
    """Start Redis on its previous port, or on a free one.

    Raises:
        EmbeddedError: Redis does not start; the message contains the end of its log.
    """
    make_private_folder(redis.folder, redis.account)
    stop_processes(processes_in(redis.folder), _STOP_SIGNALS)
    for _ in range(_MAX_ATTEMPTS):
        port = redis.port
        if port is None or not is_free(port):
            port = free_port()
        if _try_port(redis, binaries, port):
            return
    msg = f"Redis does not start. End of its log ({redis.log}):\n{tail(redis.log)}"
    raise EmbeddedError(msg)


def stop_redis(redis: Redis) -> bool:
    """Stop Redis; return whether it was running."""
    running = processes_in(redis.folder)
    return bool(running) and stop_processes(running, _STOP_SIGNALS)


def redis_conf(folder: Path, port: int, password: str) -> str:
    """Return redis.conf.

    It contains the password, so only the servers' account may read the file.
    """
    return f"""\
bind {HOST}
port {port}
protected-mode yes
requirepass {password}
daemonize no
pidfile {folder}/redis.pid
dir {folder}
appendonly no
save ""
maxmemory 256mb
maxmemory-policy allkeys-lru
loglevel notice
"""


def _try_port(redis: Redis, binaries: Binaries, port: int) -> bool:
    path = redis.folder / "redis.conf"
    write_atomically(path, redis_conf(redis.folder, port, redis.password))
    chown_to(path, redis.account)
    write_atomically(redis.folder / "port", f"{port}\n", mode=0o644)
    server = start_daemon(
        [binaries.redis_server, path],
        log=redis.log,
        cwd=redis.folder,
        account=redis.account,
        environment=binaries.environment,
    )
    return _wait_until_ready(redis, server)


def _wait_until_ready(redis: Redis, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if redis_responds(redis):
            return True
        if server.poll() is not None:
            return False
        time.sleep(0.02)
    stop_processes([server.pid], _STOP_SIGNALS)
    return False
