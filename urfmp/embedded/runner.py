"""Run one command with the services up, and leave things as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from urfmp.embedded.environment import (
    external_environment,
    given_addresses,
    merged,
    service_environment,
)
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.browser import find_browser
from urfmp.embedded.servers.services import Services, using
from urfmp.embedded.system.output import say
from urfmp.embedded.system.paths import Places


def run_with_services(places: Places, command: Sequence[str], *, browser: bool) -> int:
    """Run a command with the services' addresses in its environment; return its exit code.

    The services are stopped afterwards if nothing else uses them and they were not up before.

    Raises:
        EmbeddedError: The services do not start, or there is no such command.
    """
    extra = browser_environment(places) if browser else {}
    with services_environment(places) as environment:
        return _run(command, merged({**environment, **extra}))


@contextmanager
def services_environment(places: Places, *, always_stop: bool = False) -> Iterator[dict[str, str]]:
    """Have services up for the length of a block, and give their variables.

    Services that the caller's environment names are used and left alone.
    """
    given = given_addresses(places)
    if given is not None:
        yield external_environment(places, given)
        return
    services = Services.of(places)
    with using(services, always_stop=always_stop):
        yield service_environment(services)


def browser_environment(places: Places) -> dict[str, str]:
    """Return URFMP_CHROMIUM for browser tests; nothing where there is none and CI is not set.

    Raises:
        EmbeddedError: CI is set and there is no browser.
    """
    try:
        return {"URFMP_CHROMIUM": str(find_browser(places.cache))}
    except EmbeddedError as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            raise
        say(f"going on without a browser, so browser tests skip: {error}")
        return {}


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    program = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    try:
        child = subprocess.Popen(program, env=environment)  # noqa: S603
    except OSError as error:
        msg = f"{command[0]} cannot be run: {error.strerror}."
        raise EmbeddedError(msg) from error
    with _passed_on(child):
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    # Ctrl-C in a terminal reaches the child by itself; we only have to outlive it.
    def pass_on(number: int, _: object) -> None:
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, pass_on) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
