"""Where the demo listens, and what browsers call it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.output import say
from urfmp.embedded.system.ports import HOST, free_port, is_free

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (only where the user asks for it)
_WEB_PORT = 8000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ports of the two servers, the address to listen on, and the name that others use."""

    host: str
    public_host: str
    web_port: int
    live_port: int

    @property
    def web(self) -> str:
        """The origin of the pages, as a browser sees it."""
        return os.environ.get("WEB_ORIGIN") or f"http://{self.public_host}:{self.web_port}"

    @property
    def live(self) -> str:
        """The origin of the streams, as a browser sees it."""
        return os.environ.get("LIVE_ORIGIN") or f"http://{self.public_host}:{self.live_port}"

    @property
    def web_inside(self) -> str:
        """The pages' origin from this machine."""
        return f"http://{self._inside}:{self.web_port}"

    @property
    def live_inside(self) -> str:
        """The streams' origin from this machine."""
        return f"http://{self._inside}:{self.live_port}"

    @property
    def _inside(self) -> str:
        return HOST if self.host == _EVERYWHERE else self.host

    def environment(self) -> dict[str, str]:
        """Return the variables that tell the product its addresses."""
        names = [HOST, "localhost", self.host, self.public_host, socket.gethostname()]
        names = [name for name in dict.fromkeys(names) if name != _EVERYWHERE]
        return {
            "WEB_ORIGIN": self.web,
            "LIVE_ORIGIN": self.live,
            "ALLOWED_HOSTS": os.environ.get("ALLOWED_HOSTS") or ",".join(names),
        }


def choose_addresses(host: str, port: int | None) -> Addresses:
    """Return free ports: the wanted one, or 8000 or else any for the pages, the next for live.

    Raises:
        EmbeddedError: The wanted port is taken, or the host is not this machine's.
    """
    try:
        free_port(host)
    except OSError as error:
        msg = f"HOST={host} is not an address of this machine: {error.strerror}."
        raise EmbeddedError(msg) from error
    if port is not None and not is_free(port, host):
        msg = f"Port {port} is taken (or not allowed): choose another with PORT=, or none."
        raise EmbeddedError(msg)
    web_port = port or _first_free(_WEB_PORT, host)
    if port is None and web_port != _WEB_PORT:
        say(f"port {_WEB_PORT} is taken, so the pages are on port {web_port}")
    return Addresses(host, _public(host), web_port, _first_free(web_port + 1, host))


def _first_free(preferred: int, host: str) -> int:
    return preferred if is_free(preferred, host) else free_port(host)


def _public(host: str) -> str:
    if host != _EVERYWHERE:
        return host
    # Connecting a datagram socket sends nothing; the kernel only chooses our address.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return HOST
        return str(probe.getsockname()[0])
