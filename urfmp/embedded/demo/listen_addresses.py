"""Choose the demo's listen addresses and the host name for browsers."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.ports import HOST, free_port, free_ports, is_free

_ALL_INTERFACES = "0.0.0.0"  # noqa: S104  (only where the user asks for it)
_PORT = 8000


@dataclass(frozen=True, slots=True)
class ListenAddresses:
    """Address of the proxy, and ports of the servers behind it.

    The servers behind the proxy listen on the loopback interface alone.

    Attributes:
        host: Address that the proxy listens on.
        public_host: Host name for browsers.
        port: Port of the proxy.
        web_port: Port of the web process.
        live_port: Port of the live process.
        proxy_health_port: Port of the proxy's own health check.
    """

    host: str
    public_host: str
    port: int
    web_port: int
    live_port: int
    proxy_health_port: int

    @property
    def origin(self) -> str:
        """Origin of the product, as browsers see it."""
        return os.environ.get("WEB_ORIGIN") or f"http://{self.public_host}:{self.port}"

    @property
    def local_origin(self) -> str:
        """Origin of the product on this machine."""
        return f"http://{HOST if self.host == _ALL_INTERFACES else self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure the product's addresses."""
        names = [HOST, "localhost", self.host, self.public_host, socket.gethostname()]
        names = [name for name in dict.fromkeys(names) if name != _ALL_INTERFACES]
        return {
            "WEB_ORIGIN": self.origin,
            "ALLOWED_HOSTS": os.environ.get("ALLOWED_HOSTS") or ",".join(names),
            "TRUST_PROXY": "True",
        }

    def proxy_environment(self) -> dict[str, str]:
        """Return the variables of the Caddyfile: plain HTTP on the chosen address."""
        return {
            "URFMP_HOST": f"http://:{self.port}",
            "PROXY_BIND": f"bind {self.host}",
            "PROXY_TLS": "",
            "PROXY_WEB": f"{HOST}:{self.web_port}",
            "PROXY_LIVE": f"{HOST}:{self.live_port}",
            "PROXY_HEALTH_PORT": str(self.proxy_health_port),
            "PROXY_GRACE": "1s",
        }


def choose_addresses(host: str, port: int | None) -> ListenAddresses:
    """Return the addresses to listen on.

    The port is the requested one, else 8000, else any free port.

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
    chosen = port or (_PORT if is_free(_PORT, host) else free_port(host))
    if port is None and chosen != _PORT:
        log_message(f"port {_PORT} is in use; serving on port {chosen}")
    web_port, live_port, proxy_health_port = free_ports(3)
    return ListenAddresses(host, _public_host(host), chosen, web_port, live_port, proxy_health_port)


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
