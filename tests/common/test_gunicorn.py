"""Workers of the web process share connections, and close them as HTTP requires."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

_THREADS = 4
_CONNECTIONS = 600


@contextmanager
def _server():
    """Run two workers with a test application; yield their process and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "gunicorn",
                "tests.support.gunicorn_short_timeouts:application",
            ),
            *(
                "--worker-class",
                "tests.support.gunicorn_short_timeouts.Worker",
                "--threads",
                str(_THREADS),
            ),
            *("--workers", "2", "--bind", f"127.0.0.1:{port}", "--no-control-socket"),
            *("--log-level", "error", "--graceful-timeout", "1"),
        ]
    )
    try:
        _wait(lambda: _answers(port) and len(_workers(process)) == 2)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="module")
def port():
    with _server() as (_, port):
        yield port


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
        with suppress(FileNotFoundError):  # closed meanwhile
            count += str(one.readlink()).startswith("socket:")
    return count


def _is_quiet(process):
    """Return whether the number of connections is stable."""
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


def test_workers_share_connections():
    with ExitStack() as links:
        process, port = links.enter_context(_server())
        _wait(lambda: _is_quiet(process))
        before = {pid: _sockets(pid) for pid in _workers(process)}
        # One worker wakes up late, as on a busy machine.
        os.kill(late := max(before), signal.SIGSTOP)
        for _ in range(_CONNECTIONS):
            # Do not wait: all connections are open before a worker is awake.
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
def link(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    yield connection
    connection.close()


@pytest.mark.parametrize("size", [0, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize("path", ["/", "/read"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_keeps_connection_whether_read_or_not(is_chunked, path, size, link):
    for _ in range(2):
        if is_chunked:
            pieces = [b"x" * 50_000] * (size // 50_000) + [b"x" * (size % 50_000)]
            link.request("POST", path, body=iter(pieces), encode_chunked=True)
        else:
            link.request("POST", path, body=b"x" * size)
        with link.getresponse() as answer:
            assert answer.headers["Connection"] == "keep-alive"
            assert answer.read() == b"Hello %d" % (size if path == "/read" else 0)


def test_lingering_clients_do_not_block_others(port):
    with ExitStack() as links:
        for _ in range(40):
            held = links.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            held.sendall(b"GET / HTTP/1.0\r\n\r\n")
        # The clients have not read their responses either.
        assert all(_answers(port) for _ in range(10))


def test_lingering_client_is_disconnected(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as held:
        held.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while held.recv(65_536):
            pass
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < began + 20:
                held.sendall(b"x")
                time.sleep(0.1)
        assert 1 < time.monotonic() - began < 20


HEAD = b"GET / HTTP/1.1\r\nHost: a"
BODY = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"


@contextmanager
def _open_connections(port, sent, number=4 * _THREADS):
    """Keep more connections open than there are threads, each with these bytes sent."""
    with ExitStack() as links:
        held = [
            links.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(number)
        ]
        for link in held:
            link.sendall(sent)
        yield held


@pytest.mark.parametrize("start", [HEAD, BODY])
def test_incomplete_request_occupies_no_thread(start, port):
    with _open_connections(port, start):
        assert _answers(port)


@pytest.mark.parametrize("start", [HEAD, BODY.replace(b" 9", b" 999")])
def test_request_byte_by_byte_occupies_no_thread(start, port):
    with _open_connections(port, start) as links:
        is_over = threading.Event()

        def trickle():
            while not is_over.wait(0.2):
                for link in links:
                    with suppress(OSError):
                        link.sendall(b"x")

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            assert _answers(port)
        finally:
            is_over.set()
            sender.join()


def test_silent_connection_occupies_no_thread(port):
    with _open_connections(port, b"", 100) as links:
        assert _answers(port)
        links[0].sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b" 200 " in links[0].recv(65_536)
        assert links[1].recv(65_536) == b""


@pytest.mark.parametrize("path", [b"/long", b"/file"])
def test_client_that_does_not_read_occupies_no_thread(path, port):
    with _open_connections(port, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"):
        assert _answers(port)


@pytest.mark.parametrize("start", [HEAD, BODY])
def test_slow_request_in_time_is_answered(start, port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(start)
        for _ in range(3):
            time.sleep(0.4)
            link.sendall(b"x")
        link.sendall(b"\r\nConnection: close\r\n\r\n" if start == HEAD else b"xxxxx")
        assert b" 200 " in link.recv(65_536)


@pytest.mark.parametrize("size", [1, 9, 100_000, 3_000_000])
def test_incomplete_body_is_rejected(size, port):
    head = b"POST /read HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(head % size + b"x" * (size - 1))
        link.shutdown(socket.SHUT_WR)
        answer = link.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"is incomplete" in answer
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(head % size + b"x" * size)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while part := link.recv(65_536):
            answer += part
        assert b"Hello %d" % size in answer


def test_pipelined_requests_are_answered(port):
    one = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    two = b"POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(one + two + one + last)
        answer = b""
        while part := link.recv(65_536):
            answer += part
    assert [answer.count(word) for word in (b" 200 ", b"Hello 3", b"Hello 0")] == [4, 2, 2]
