"""The reference client's stream of commands, against a server of prepared events."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from examples.robotclient.client import CommandReceiver, RequestRejected, ServerUnavailable

COMMAND = {
    "id": "6b1f8f2e-0000-4000-8000-000000000001",
    "type": "pause",
    "payload": {},
    "priority": "normal",
    "expires_in": 20.0,
    "acknowledge_in": 10.0,
}
WELCOME = b'retry: 2000\nevent: welcome\ndata: {"type": "welcome"}\n\n'
HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"


def event(command):
    return b"event: command\nid: x\ndata: " + json.dumps(command).encode() + b"\n\n"


class Streams:
    """A server that answers each GET with the next prepared stream, then ends it."""

    def __init__(self):
        self.answers = []
        self.paths = []
        self.accepts = []


@pytest.fixture
def streams():
    state = Streams()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.paths.append(self.path)
            state.accepts.append(self.headers["Accept"])
            status, headers, content = state.answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            state.paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver(streams, tmp_path):
    receiver = CommandReceiver(streams.url, "key", transport="sse", journal=tmp_path / "journal")
    yield receiver
    receiver.close()


def test_commands_follow_one_another_on_one_stream(receiver, streams):
    second = COMMAND | {"id": "other"}
    streams.answers = [(200, {}, WELCOME + event(COMMAND) + HEARTBEAT + event(second))]
    command = receiver.next()
    assert (command.id, command.type) == (COMMAND["id"], "pause")
    assert receiver.accept(command)
    assert receiver.next().id == "other"
    assert streams.paths == [
        "/api/v1/device/commands/events",
        f"/api/v1/device/commands/{command.id}/acknowledge",
    ]
    assert streams.accepts == ["text/event-stream"]


def test_heartbeat_after_the_wait_returns_none(receiver, streams):
    streams.answers = [(200, {}, WELCOME + HEARTBEAT + event(COMMAND))]
    assert receiver.next(wait=0) is None
    assert receiver.next(wait=0) is None
    assert receiver.next(wait=0).id == COMMAND["id"]


def test_stream_that_ends_is_opened_again(receiver, streams):
    streams.answers = [(200, {}, WELCOME), (200, {}, WELCOME + event(COMMAND))]
    with pytest.raises(ServerUnavailable, match="server closed it"):
        receiver.next()
    assert receiver.next().id == COMMAND["id"]


def test_torn_event_ends_the_stream(receiver, streams):
    streams.answers = [(200, {}, WELCOME + event(COMMAND)[:40]), (200, {}, event(COMMAND))]
    with pytest.raises(ServerUnavailable):
        receiver.next()
    assert receiver.next().id == COMMAND["id"]


def test_busy_server_is_asked_later(receiver, streams):
    answer = json.dumps({"code": "busy", "detail": "Too many."}).encode()
    streams.answers = [(503, {"Retry-After": "7"}, answer)]
    with pytest.raises(ServerUnavailable) as raised:
        receiver.next()
    assert raised.value.retry_after == 7


def test_rejected_key_raises(receiver, streams):
    answer = json.dumps({"code": "invalid_key", "detail": "Revoked."}).encode()
    streams.answers = [(401, {}, answer)]
    with pytest.raises(RequestRejected, match="invalid_key"):
        receiver.next()


def test_unknown_transport_raises(streams):
    with pytest.raises(ValueError, match="poll, sse"):
        CommandReceiver(streams.url, "key", transport="mqtt")
