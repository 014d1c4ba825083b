"""The product's proxy in front of any two servers."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from urfmp.embedded.demo.listen_addresses import ListenAddresses
from urfmp.embedded.programs.proxy import find_proxy
from urfmp.embedded.system.paths import checkout_root, find_install_paths
from urfmp.embedded.system.ports import HOST, free_ports
from urfmp.embedded.system.processes import clean_environment


@contextmanager
def proxy(
    web_port: int, live_port: int, folder: Path, port: int | None = None
) -> Iterator[tuple[int, subprocess.Popen, Path]]:
    """Run Caddy with the product's Caddyfile; yield its port, process and log."""
    free, health_port = free_ports(2)
    port = port or free
    addresses = ListenAddresses(HOST, HOST, port, web_port, live_port, health_port)
    program = find_proxy(find_install_paths().cache)
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "run", "--config", "docker/proxy/Caddyfile", "--adapter", "caddyfile"],
            cwd=checkout_root(),
            env=clean_environment(
                {
                    **addresses.proxy_environment(),
                    "XDG_DATA_HOME": str(folder),
                    "XDG_CONFIG_HOME": str(folder),
                }
            ),
            stderr=output,
        )
    try:
        _wait(f"http://{HOST}:{health_port}/", process, log)
        yield port, process, log
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the proxy does not respond"
        time.sleep(0.05)
