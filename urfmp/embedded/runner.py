"""Run one command while the services run, then restore the state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from urfmp.embedded.environment import (
    external_addresses,
    external_environment,
    merge_environment,
    service_environment,
)
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.browser import find_browser
from urfmp.embedded.servers.services import Services, running_services
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.paths import InstallPaths


def run_with_services(paths: InstallPaths, command: Sequence[str], *, browser: bool) -> int:
    """Run a command with the services' addresses in its environment.

    The services are stopped afterwards if this call started them and no other process uses them.

    Returns:
        The command's exit code; 128 plus the signal number if a signal ended it.

    Raises:
        EmbeddedError: A service does not start, or the command does not exist.
    """
    extra = browser_environment(paths) if browser else {}
    with services_environment(paths) as environment:
        return _run(command, merge_environment({**environment, **extra}))


@contextmanager
def services_environment(
    paths: InstallPaths, *, always_stop: bool = False
) -> Iterator[dict[str, str]]:
    """Keep the services running for a block and yield their environment variables.

    Services named by the caller's environment are used without starting or stopping them.

    Args:
        paths: Folders of the checkout.
        always_stop: Stop the services afterwards even if `up` had started them.
    """
    given = external_addresses(paths)
    if given is not None:
        yield external_environment(paths, given)
        return
    services = Services.for_paths(paths)
    with running_services(services, always_stop=always_stop):
        yield service_environment(services)


def browser_environment(paths: InstallPaths) -> dict[str, str]:
    """Return URFMP_CHROMIUM for browser tests, or no variables without a browser.

    Raises:
        EmbeddedError: The CI variable is set and no browser is available.
    """
    try:
        return {"URFMP_CHROMIUM": str(find_browser(paths.cache))}
    except EmbeddedError as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            raise
        log_message(f"no browser available, so browser tests are skipped: {error}")
        return {}


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    program = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    try:
        child = subprocess.Popen(program, env=environment)  # noqa: S603
    except OSError as error:
        msg = f"{command[0]} could not be run: {error.strerror}."
        raise EmbeddedError(msg) from error
    with _forward_signals(child):
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _forward_signals(child: subprocess.Popen[bytes]) -> Iterator[None]:
    # The terminal sends Ctrl-C to the child itself; this process only has to wait for it.
    def forward(number: int, _: object) -> None:
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, forward) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
