"""Choose the demo's listen addresses and the host name for browsers."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.ports import HOST, free_port, is_free

_ALL_INTERFACES = "0.0.0.0"  # noqa: S104  (only where the user asks for it)
_WEB_PORT = 8000


@dataclass(frozen=True, slots=True)
class ListenAddresses:
    """Ports of web and live, the listen address and the public host."""

    host: str
    public_host: str
    web_port: int
    live_port: int

    @property
    def web(self) -> str:
        """Origin of the web process, as browsers see it."""
        return os.environ.get("WEB_ORIGIN") or f"http://{self.public_host}:{self.web_port}"

    @property
    def live(self) -> str:
        """Origin of the live process, as browsers see it."""
        return os.environ.get("LIVE_ORIGIN") or f"http://{self.public_host}:{self.live_port}"

    @property
    def web_local(self) -> str:
        """Origin of the web process on this machine."""
        return f"http://{self._local_host}:{self.web_port}"

    @property
    def live_local(self) -> str:
        """Origin of the live process on this machine."""
        return f"http://{self._local_host}:{self.live_port}"

    @property
    def _local_host(self) -> str:
        return HOST if self.host == _ALL_INTERFACES else self.host

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure the product's addresses."""
        names = [HOST, "localhost", self.host, self.public_host, socket.gethostname()]
        names = [name for name in dict.fromkeys(names) if name != _ALL_INTERFACES]
        return {
            "WEB_ORIGIN": self.web,
            "LIVE_ORIGIN": self.live,
            "ALLOWED_HOSTS": os.environ.get("ALLOWED_HOSTS") or ",".join(names),
        }


def choose_addresses(host: str, port: int | None) -> ListenAddresses:
    """Return the addresses to listen on.

    The web port is the requested one, else 8000, else any free port. The live port is the next one
    if it is free.

    Raises:
        EmbeddedError: The requested port is in use, or the host is not an address of this machine.
    """
    try:
        free_port(host)
    except OSError as error:
        msg = f"HOST={host} is not an address of this machine: {error.strerror}."
        raise EmbeddedError(msg) from error
    if port is not None and not is_free(port, host):
        msg = f"Port {port} is in use or not permitted. Choose another with PORT=, or omit it."
        raise EmbeddedError(msg)
    web_port = port or _first_free(_WEB_PORT, host)
    if port is None and web_port != _WEB_PORT:
        log_message(f"port {_WEB_PORT} is in use; serving on port {web_port}")
    return ListenAddresses(host, _public_host(host), web_port, _first_free(web_port + 1, host))


def _first_free(preferred: int, host: str) -> int:
    return preferred if is_free(preferred, host) else free_port(host)


def _public_host(host: str) -> str:
    if host != _ALL_INTERFACES:
        return host
    # Connecting a datagram socket sends nothing; the kernel only selects our address.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return HOST
        return str(probe.getsockname()[0])
