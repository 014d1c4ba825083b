"""HTTP requests to addresses that users configure, without access to internal networks.

The host is resolved once, each of its addresses is checked, and the socket connects to the checked
address. The name is not resolved again, so a changed DNS answer leads nowhere else, and another
notation of an address resolves to the same address. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Collection, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

CONNECT_TIMEOUT_SECONDS = 5.0
TOTAL_TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL_LENGTH = 2_000

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Prefixes of IPv6 that carry an IPv4 address in their last 32 bits.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::/96"))


class OutgoingRequestError(Exception):
    """The request got no answer. The text is for users."""


class AddressNotAllowedError(OutgoingRequestError):
    """The host has an address that requests must not reach."""


@dataclass(frozen=True)
class Answer:
    """Answer to a request.

    Attributes:
        status: HTTP status.
        headers: Headers by name in lower case.
        body: Start of the body, at most `MAX_ANSWER_BYTES`.
        milliseconds: Time from the start of the request to the end of the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    milliseconds: int


def url_error(url: str) -> str | None:
    """Return why requests cannot be sent to a URL, or None.

    Checks the text only. Addresses are checked whenever a socket connects.
    """
    if len(url) > MAX_URL_LENGTH:
        return f"Enter a URL of at most {MAX_URL_LENGTH} characters."
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "Enter a URL without spaces, backslashes and other than ASCII characters."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Enter a valid URL, such as https://example.com/alerts."
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return "Enter a URL that begins with https:// or http:// and names a host."
    if parts.username is not None or parts.password is not None:
        return "Enter a URL without user name and password."
    return None


def parse_networks(texts: Iterable[str]) -> list[Network]:
    """Parse CIDR ranges and IP addresses.

    Raises:
        ValidationError: A text is neither.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip()))
        except ValueError as error:
            msg = f"{text.strip()[:60]} is not an IP address or CIDR range such as 10.0.8.0/24."
            raise ValidationError(msg) from error
    return networks


def permitted_networks() -> list[Network]:
    """Return the private networks that the platform lets organizations allow."""
    return parse_networks(settings.OUTGOING_PRIVATE_NETWORKS)


def check_permitted(networks: Iterable[Network]) -> None:
    """Check that an organization may allow networks.

    Raises:
        ValidationError: The platform does not permit one of them.
    """
    permitted = permitted_networks()
    for network in networks:
        if not any(_includes(outer, network) for outer in permitted):
            msg = (
                f"{network} is not permitted. The operator of the platform permits private"
                " networks in OUTGOING_PRIVATE_NETWORKS."
            )
            raise ValidationError(msg)


def _includes(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def is_reachable(address: Address, allowed: Collection[Network] = ()) -> bool:
    """Return whether requests may reach an address.

    Args:
        address: Address of the host; of an address that carries an IPv4 address, both are checked.
        allowed: Networks of the organization; those that the platform does not permit are ignored.
    """
    inner = _carried_address(address)
    if inner is not None and not is_reachable(inner, allowed):
        return False
    if any(address in network for network in allowed):
        return any(address in network for network in permitted_networks())
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried_address(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return IPv4Address(address.packed[-4:])
    return None


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    allowed: Collection[Network] = (),
    timeout_seconds: float = TOTAL_TIMEOUT_SECONDS,
) -> Answer:
    """Send a POST request and return the answer, whatever its status.

    Args:
        url: `http` or `https` URL.
        body: Body.
        headers: Headers besides Host and Content-Length.
        allowed: Private networks that the organization allows.
        timeout_seconds: Time for the whole request, including name resolution.

    Raises:
        OutgoingRequestError: No complete answer in time, or the host must not be reached.
    """
    if (problem := url_error(url)) is not None:
        raise OutgoingRequestError(problem)
    start = monotonic()
    parts = urlsplit(url)
    connection = _connection(parts, allowed, start + timeout_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The timeout of a socket begins anew with each byte; the timer bounds all of them.
    timer = threading.Timer(timeout_seconds, connection.abort)
    timer.daemon = True
    timer.start()
    try:
        with closing(connection):
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES)
            values = {name.lower(): value for name, value in response.getheaders()}
    except OutgoingRequestError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        text = _error_text(error)
        if connection.is_aborted or isinstance(error, TimeoutError):
            text = _late_text(timeout_seconds)
        raise OutgoingRequestError(text) from error
    finally:
        timer.cancel()
    if connection.is_aborted:
        raise OutgoingRequestError(_late_text(timeout_seconds))
    return Answer(response.status, values, content, round((monotonic() - start) * 1000))


def _late_text(timeout_seconds: float) -> str:
    return f"No answer within {timeout_seconds:g} seconds."


def _error_text(error: Exception) -> str:
    texts: dict[type[Exception], str] = {
        ssl.SSLCertVerificationError: "The certificate is not valid for the host.",
        ssl.SSLError: "TLS failed.",
        socket.gaierror: "The host name cannot be resolved.",
        ConnectionRefusedError: "The host rejected the connection.",
        ConnectionError: "The host closed the connection.",
        OSError: "The host cannot be reached.",
    }
    for kind, text in texts.items():
        if isinstance(error, kind):
            return text
    return "The answer is not valid HTTP."


class _Connection(http.client.HTTPConnection):
    """A connection to a checked address, which another thread can abort."""

    def __init__(self, parts: SplitResult, allowed: Collection[Network], deadline: float) -> None:
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._allowed = allowed
        self._deadline = deadline
        self._raw: socket.socket | None = None
        self.is_aborted = False

    def connect(self) -> None:
        """Resolve the host, check its addresses, and connect to one.

        Raises:
            AddressNotAllowedError: One of the addresses must not be reached.
        """
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        if not all(is_reachable(_address(item[4]), self._allowed) for item in found):
            msg = "The host has a private, local or reserved address."
            raise AddressNotAllowedError(msg)
        last: OSError = OSError("The host has no address.")
        for family, kind, protocol, _, target in found:
            self._raw = raw = socket.socket(family, kind, protocol)
            try:
                raw.settimeout(self._seconds_left(CONNECT_TIMEOUT_SECONDS))
                raw.connect(target)
            except OSError as error:
                last = error
                raw.close()
                continue
            if not is_reachable(_address(raw.getpeername()), self._allowed):
                msg = "The connection leads to a private, local or reserved address."
                raise AddressNotAllowedError(msg)
            raw.settimeout(self._seconds_left(TOTAL_TIMEOUT_SECONDS))
            self.sock = self._secured(raw)
            return
        raise last

    def _secured(self, raw: socket.socket) -> socket.socket:
        return raw

    def _seconds_left(self, limit: float) -> float:
        left = min(limit, self._deadline - monotonic())
        if left <= 0 or self.is_aborted:
            raise TimeoutError
        return left

    def abort(self) -> None:
        """End the connection; a thread that waits for it gets an error."""
        self.is_aborted = True
        for sock in (self.sock, self._raw):
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection and its socket."""
        super().close()
        if self._raw is not None:
            self._raw.close()


class _TlsConnection(_Connection):
    """A connection with TLS and a certificate for the host name."""

    default_port = http.client.HTTPS_PORT

    def _secured(self, raw: socket.socket) -> socket.socket:
        return ssl.create_default_context().wrap_socket(raw, server_hostname=self.host)


def _connection(parts: SplitResult, allowed: Collection[Network], deadline: float) -> _Connection:
    kind = _TlsConnection if parts.scheme == "https" else _Connection
    return kind(parts, allowed, deadline)


def _address(target: tuple[object, ...]) -> Address:
    # Addresses of IPv6 may end with a zone, as in `fe80::1%eth0`.
    return ip_address(str(target[0]).partition("%")[0])
