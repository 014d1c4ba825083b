"""Start and stop one private Redis: a cache, so nothing of it is written to disk."""

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
    Account,
    own,
    own_folder,
    processes_in,
    server_account,
    start_daemon,
    stop,
)

_ATTEMPTS = 5
_START_LIMIT = 10.0
_STOP = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))


@dataclass(frozen=True, slots=True)
class Redis:
    """One Redis: its folder, its password and who it runs as."""

    folder: Path
    password: str
    account: Account | None

    @classmethod
    def at(cls, folder: Path, password: str) -> Redis:
        """Return the Redis of a folder that may not exist yet."""
        return cls(folder, password, server_account(folder))

    @property
    def log(self) -> Path:
        """What this start has said; the next one begins it anew."""
        return self.folder / "redis.log"

    @property
    def port(self) -> int | None:
        """The port of the last start; None before the first."""
        text = read_text(self.folder / "port").strip()
        return int(text) if text.isdigit() else None


def redis_answers(redis: Redis, timeout: float = 1.0) -> bool:
    """Tell whether our Redis, which alone knows the password, is at the remembered port."""
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
    """Start Redis on the port of the last time, or on another where that one is taken.

    Raises:
        EmbeddedError: It does not start; the message holds the end of its log.
    """
    own_folder(redis.folder, redis.account)
    stop(processes_in(redis.folder), _STOP)
    for _ in range(_ATTEMPTS):
        port = redis.port
        if port is None or not is_free(port):
            port = free_port()
        if _try_port(redis, binaries, port):
            return
    msg = f"Redis does not start. The end of its log ({redis.log}):\n{tail(redis.log)}"
    raise EmbeddedError(msg)


def stop_redis(redis: Redis) -> bool:
    """Stop Redis; return whether one was running."""
    running = processes_in(redis.folder)
    return bool(running) and stop(running, _STOP)


def configuration(folder: Path, port: int, password: str) -> str:
    """Return redis.conf. It holds the password, so the file is its account's alone."""
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
    write_atomically(path, configuration(redis.folder, port, redis.password))
    own(path, redis.account)
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
    deadline = time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline:
        if redis_answers(redis):
            return True
        if server.poll() is not None:
            return False
        time.sleep(0.02)
    stop([server.pid], _STOP)
    return False
