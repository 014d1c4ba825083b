"""The demo's processes: servers, proxy, worker and simulator."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from urfmp.embedded.demo.listen_addresses import ListenAddresses
from urfmp.embedded.system.paths import InstallPaths
from urfmp.embedded.system.ports import HOST
from urfmp.embedded.system.processes import clean_environment
from urfmp.embedded.system.supervisor import SupervisedProcess


def demo_processes(
    paths: InstallPaths, addresses: ListenAddresses, environment: dict[str, str], proxy: Path
) -> list[SupervisedProcess]:
    """Return the processes in the order in which they start.

    Args:
        paths: Folders of the checkout.
        addresses: Addresses that the servers listen on.
        environment: Environment variables of the product's processes.
        proxy: Path of Caddy.
    """

    def child(
        name: str, *command: str, variables: Mapping[str, str] = environment
    ) -> SupervisedProcess:
        log = paths.logs / f"{name}.log"
        return SupervisedProcess(name, list(command), dict(variables), paths.checkout, log)

    python, manage = sys.executable, "manage.py"
    return [
        child(
            *("web", python, "-m", "gunicorn", "urfmp.wsgi:application"),
            *("--worker-class", "urfmp.servers.gunicorn.Worker"),
            *("--workers", "2", "--threads", "16", "--bind", f"{HOST}:{addresses.web_port}"),
            # Longer than the proxy keeps a connection that it does not use.
            *("--limit-request-line", "8190", "--keep-alive", "150"),
            # The control socket has one fixed path for all checkouts.
            *("--graceful-timeout", "2", "--no-control-socket"),
        ),
        child(
            *("live", python, "-m", "uvicorn", "urfmp.live.asgi:application", "--host", HOST),
            *("--port", str(addresses.live_port), "--no-access-log"),
            *("--http", "urfmp.servers.uvicorn:Protocol", "--timeout-keep-alive", "150"),
            *("--timeout-graceful-shutdown", "1"),
        ),
        child(
            *("proxy", str(proxy), "run", "--config", "docker/proxy/Caddyfile"),
            *("--adapter", "caddyfile"),
            # Without the product's secrets.
            variables=clean_environment(
                {
                    **addresses.proxy_environment(),
                    "XDG_DATA_HOME": str(paths.state),
                    "XDG_CONFIG_HOME": str(paths.state),
                }
            ),
        ),
        child("worker", python, manage, "run_worker"),
        child(
            *("simulator", python, manage, "simulate", "--url", addresses.local_origin),
            *("--keys", str(paths.credentials), "--buffers", str(paths.state / "robots")),
        ),
    ]
