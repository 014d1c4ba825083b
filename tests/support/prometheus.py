"""Debian's Prometheus and promtool for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.prometheus import find_prometheus
from urfmp.embedded.system.paths import find_install_paths
from urfmp.embedded.system.processes import clean_environment


def prometheus_folder() -> Path:
    """Return the folder of the programs; skip the test where they are missing."""
    try:
        return find_prometheus(find_install_paths().cache)
    except EmbeddedError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"Prometheus is missing: {error}")


def promtool(folder: Path, key: str, command: str, server: str, *arguments: str) -> str:
    """Return the output of a query by promtool, as JSON."""
    configuration = folder / "http.yml"
    configuration.write_text(f"authorization:\n  credentials: {key}\n")
    result = subprocess.run(
        [
            *(prometheus_folder() / "promtool", "query", command, "--format=json"),
            *(f"--http.config.file={configuration}", *arguments[:-1], server, arguments[-1]),
        ],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
