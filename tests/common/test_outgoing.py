"""Requests to configured addresses: real listeners on loopback must never see a connection."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress

import pytest
from django.core.exceptions import ValidationError

from tests.support.webhook_receiver import Reply, webhook_receiver
from urfmp.common.http import outgoing
from urfmp.common.http.outgoing import (
    AddressNotAllowedError,
    OutgoingRequestError,
    check_permitted,
    is_reachable,
    parse_networks,
    post,
    url_error,
)

LOOPBACK = ["127.0.0.0/8"]
HOSTILE_URLS = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.000.000.001:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fd00::1]:{port}/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://100.64.0.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\r\nX: y/",
    "http://①②⑦.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "//127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
]


@pytest.fixture
def listeners():
    """Listeners on IPv4 and IPv6 loopback with one port; yields the port and accepted clients."""
    accepted: list[object] = []
    four = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = four.getsockname()[1]
    found = [four]
    with suppress(OSError):  # a machine without IPv6
        found.append(socket.create_server(("::1", port), family=socket.AF_INET6))

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError:
                return
            accepted.append(address)
            client.close()

    threads = [threading.Thread(target=accept, args=[one], daemon=True) for one in found]
    for thread in threads:
        thread.start()
    yield port, accepted
    for listener in found:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_post_to_hostile_urls_opens_no_connection(listeners):
    port, accepted = listeners
    for url in HOSTILE_URLS:
        with pytest.raises(OutgoingRequestError):
            post(url.format(port=port), b"{}", {}, timeout_seconds=2)
    # The listeners are alive: a connection that is made is seen.
    assert accepted == []
    socket.create_connection(("127.0.0.1", port)).close()
    _wait(lambda: len(accepted) == 1)


def _wait(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_post_to_rebinding_name_is_rejected_at_the_socket(listeners, monkeypatch):
    """The name is public when it is checked, and would be local when it is resolved again."""
    port, accepted = listeners
    answers = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]]
    calls = []

    def resolve(host, given, **_kwargs):
        calls.append(host)
        addresses = answers[min(len(calls), len(answers)) - 1]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, given)) for address in addresses]

    connected = []

    def connect(_self, target):
        connected.append(target[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(outgoing.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(outgoing.socket.socket, "connect", connect)
    with pytest.raises(OutgoingRequestError, match="rejected"):
        post(f"http://rebinding.example:{port}/", b"", {})
    assert calls == ["rebinding.example"]  # resolved once, and the checked address was used
    assert connected == ["93.184.216.34"]
    for _ in range(2):  # a local answer, alone or beside a public one
        with pytest.raises(AddressNotAllowedError):
            post(f"http://rebinding.example:{port}/", b"", {})
    assert connected == ["93.184.216.34"]
    assert accepted == []


def test_post_when_socket_leads_elsewhere_is_rejected(settings, monkeypatch):
    """A translation below the socket is noticed by the address of its peer."""
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.2/32"]
    allowed = parse_networks(["127.0.0.2/32"])
    with webhook_receiver() as receiver:
        port = receiver.server_address[1]
        real = socket.socket.connect
        monkeypatch.setattr(
            outgoing.socket.socket, "connect", lambda self, _to: real(self, ("127.0.0.1", port))
        )
        with pytest.raises(AddressNotAllowedError):
            post(f"http://127.0.0.2:{port}/", b"", {}, allowed=allowed)
        assert receiver.requests == []


def test_post_to_allowed_network_needs_the_platform(settings):
    allowed = parse_networks(LOOPBACK)
    with webhook_receiver(lambda _r: Reply(200, body=b"fine")) as receiver:
        settings.OUTGOING_PRIVATE_NETWORKS = []
        with pytest.raises(AddressNotAllowedError):
            post(receiver.url, b"{}", {}, allowed=allowed)
        assert receiver.connections == 0
        settings.OUTGOING_PRIVATE_NETWORKS = LOOPBACK
        with pytest.raises(AddressNotAllowedError):
            post(receiver.url, b"{}", {})
        answer = post(receiver.url, b"{}", {"x-test": "1"}, allowed=allowed)
        assert (answer.status, answer.body) == (200, b"fine")
        assert receiver.requests[0].headers["x-test"] == "1"


def test_post_redirect_is_returned_and_not_followed(settings):
    settings.OUTGOING_PRIVATE_NETWORKS = LOOPBACK
    with webhook_receiver() as inside:
        to_inside = Reply(302, {"Location": inside.url})
        with webhook_receiver(lambda _r: to_inside) as receiver:
            answer = post(receiver.url, b"", {}, allowed=parse_networks(LOOPBACK))
        assert answer.status == 302
        assert inside.connections == 0


def test_post_bounds_the_answer_in_size_and_time(settings):
    settings.OUTGOING_PRIVATE_NETWORKS = LOOPBACK
    allowed = parse_networks(LOOPBACK)
    big = Reply(200, body=b"x" * (outgoing.MAX_ANSWER_BYTES * 4))
    with webhook_receiver(lambda _r: big) as receiver:
        answer = post(receiver.url, b"", {}, allowed=allowed)
        assert len(answer.body) == outgoing.MAX_ANSWER_BYTES
    with webhook_receiver(lambda _r: Reply(wait_seconds=3)) as receiver:
        start = time.monotonic()
        with pytest.raises(OutgoingRequestError, match="No answer within"):
            post(receiver.url, b"", {}, allowed=allowed, timeout_seconds=0.3)
        assert time.monotonic() - start < 2


def test_post_to_dripping_server_ends_in_time(settings):
    """A server that sends a byte before each timeout of the socket does not hold the thread."""
    settings.OUTGOING_PRIVATE_NETWORKS = LOOPBACK
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def drip() -> None:
            client, _ = listener.accept()
            with closing(client):
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    for _ in range(100):
                        client.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        start = time.monotonic()
        with pytest.raises(OutgoingRequestError):
            post(url, b"", {}, allowed=parse_networks(LOOPBACK), timeout_seconds=0.4)
        assert time.monotonic() - start < 2
        thread.join()


@pytest.mark.parametrize(
    ("address", "expected"),
    [("93.184.216.34", True), ("2606:2800:220:1::1", True), ("192.0.2.1", False), ("::", False)],
)
def test_is_reachable_of_public_and_reserved_addresses(address, expected):
    assert is_reachable(outgoing.ip_address(address)) is expected


def test_check_permitted_rejects_networks_outside(settings):
    settings.OUTGOING_PRIVATE_NETWORKS = ["10.0.0.0/16"]
    check_permitted(parse_networks(["10.0.8.0/24", "10.0.0.5"]))
    for text in ("10.1.0.0/24", "0.0.0.0/0", "fd00::/8"):
        with pytest.raises(ValidationError, match="is not permitted"):
            check_permitted(parse_networks([text]))


@pytest.mark.parametrize("url", ["", "example.com", "https://", "https://a:99999/", "https://a b/"])
def test_url_error_of_invalid_urls_says_what_to_enter(url):
    assert (url_error(url) or "").startswith("Enter")
