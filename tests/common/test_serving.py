"""Workers of the web process share connections, however many are opened at once."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

_THREADS, _CONNECTIONS = 4, 200


@pytest.fixture
def server():
    """Run two workers with an application that says hello; return its process and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "wsgiref.simple_server:demo_app"),
            *("--worker-class", "urfmp.serving.Worker", "--threads", str(_THREADS)),
            *("--workers", "2", "--bind", f"127.0.0.1:{port}", "--no-control-socket"),
            *("--log-level", "error", "--graceful-timeout", "1"),
        ]
    )
    yield process, port
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def _wait(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _workers(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def _sockets(pid):
    return sum(
        str(one.readlink()).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir()
    )


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_no_worker_takes_every_connection(server):
    process, port = server
    _wait(lambda: _answers(port) and len(_workers(process)) == 2)
    time.sleep(1)
    before = {pid: _sockets(pid) for pid in _workers(process)}
    with ExitStack() as links:
        # One of them wakes up late, as on a busy machine.
        os.kill(late := max(before), signal.SIGSTOP)
        for _ in range(_CONNECTIONS):
            # Without waiting for any: all of them are there before a worker is awake.
            link = links.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", port))

        time.sleep(0.05)
        os.kill(late, signal.SIGCONT)

        def taken():
            return [_sockets(pid) - before[pid] for pid in before]

        _wait(lambda: sum(taken()) == _CONNECTIONS)
        assert min(taken()) >= _CONNECTIONS // 4, taken()
