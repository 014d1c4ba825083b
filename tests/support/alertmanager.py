"""Debian's Alertmanager for a test: its API, and the requests of its webhook."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.alertmanager import find_alertmanager
from urfmp.embedded.system.paths import find_install_paths
from urfmp.embedded.system.ports import HOST, free_ports
from urfmp.embedded.system.processes import clean_environment

_CONFIGURATION = """
route: {{receiver: urfmp, group_by: [alertname], group_wait: 0s, group_interval: 1s,
         repeat_interval: 1h}}
receivers:
- name: urfmp
  webhook_configs:
  - url: {url}
    http_config: {{authorization: {{credentials: {key}}}}}
"""


class Alertmanager:
    """A running Alertmanager."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, *alerts: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def active(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def alertmanager(folder: Path, *, webhook_url: str, key: str) -> Iterator[Alertmanager]:
    """Run Alertmanager, which sends its alerts to a URL with an API key."""
    try:
        program = find_alertmanager(find_install_paths().cache)
    except EmbeddedError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"Alertmanager is missing: {error}")
    (port,) = free_ports(1)
    configuration = folder / "alertmanager.yml"
    configuration.write_text(_CONFIGURATION.format(url=webhook_url, key=key))
    log = folder / "alertmanager.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={HOST}:{port}",
                "--cluster.listen-address=",
            ],
            env=clean_environment({}),
            stderr=output,
        )
    url = f"http://{HOST}:{port}"
    try:
        wait_for(lambda: _is_ready(url) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield Alertmanager(url)
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5):
        return True
    return False


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Return the first true result of a condition."""
    deadline = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.05)
