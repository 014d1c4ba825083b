"""Workers of the web process share connections, and part with them as HTTP has it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

_THREADS, _CONNECTIONS = 4, 600


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
    process.wait(60)


def _wait(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _workers(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def _sockets(pid):
    count = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we look
            count += str(one.readlink()).startswith("socket:")
    return count


def _is_quiet(process):
    """Tell whether connections come and go no more."""
    seen = []
    for _ in range(5):
        seen.append([_sockets(pid) for pid in _workers(process)])
        time.sleep(0.2)
    return len(seen[0]) == 2 and all(counts == seen[0] for counts in seen)


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
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
    _wait(lambda: _is_quiet(process))
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


@pytest.fixture
def link(server):
    _, port = server
    _wait(lambda: _answers(port))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("size", "is_last"), [(0, False), (65_535, False), (65_536, True), (1_000_000, True)]
)
def test_an_answer_that_leaves_too_much_unread_says_that_it_is_the_last(size, is_last, link):
    link.request("POST", "/", body=b"x" * size)
    with link.getresponse() as answer:
        assert answer.headers["Connection"] == ("close" if is_last else "keep-alive")
        assert answer.read().startswith(b"Hello")
    # Without being told, `http.client` goes on with the connection that it has.
    link.request("GET", "/")
    with link.getresponse() as answer:
        assert answer.status == 200


def test_a_body_in_chunks_that_is_left_unread_ends_the_connection(link):
    link.request("POST", "/", body=iter([b"x", b"y"]), encode_chunked=True)
    with link.getresponse() as answer:
        assert answer.headers["Connection"] == "close"


def test_nobody_waits_for_clients_that_do_not_hang_up(server):
    _, port = server
    _wait(lambda: _answers(port))
    with ExitStack() as links:
        for _ in range(40):
            held = links.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            held.sendall(b"GET / HTTP/1.0\r\n\r\n")
        # They have not read their answers either.
        assert all(_answers(port) for _ in range(10))


def test_a_client_that_does_not_hang_up_is_cut_off(server):
    process, port = server
    _wait(lambda: _answers(port) and len(_workers(process)) == 2)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as held:
        held.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while held.recv(65_536):
            pass
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < began + 20:
                held.sendall(b"x")
                time.sleep(0.1)
        assert 1 < time.monotonic() - began < 20
