"""Command line of `python -m urfmp.embedded`."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable, Sequence

from urfmp.embedded.demo.run import run_demo, stop_demo
from urfmp.embedded.environment import (
    external_addresses,
    external_environment,
    service_environment,
    shell_assignments,
)
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.browser import find_browser
from urfmp.embedded.runner import run_with_services
from urfmp.embedded.servers.postgres import server_pid
from urfmp.embedded.servers.redis import redis_responds
from urfmp.embedded.servers.services import Services, down, reset, up
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.paths import InstallPaths, find_install_paths

_DESCRIPTION = "Manage the local services of this checkout."
_NOT_RUNNING = 3
_EXTERNAL = (
    "DATABASE_URL and REDIS_URL are set; using those services without starting or stopping any"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[InstallPaths, argparse.Namespace], int] = options.call
    try:
        return command(find_install_paths(), options)
    except EmbeddedError as error:
        log_message(str(error))
        return 1
    except KeyboardInterrupt:
        log_message("interrupted; run the same command again to continue")
        return 130
    except OSError as error:
        log_message(_explain(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m urfmp.embedded", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, call: Callable[[InstallPaths, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(call=call)
        return command

    add("up", _up, "start PostgreSQL and Redis")
    add("down", _down, "stop PostgreSQL and Redis")
    add("env", _env, "start PostgreSQL and Redis and print their addresses as KEY=value lines")
    add("status", _status, "show the status of both; exit code 3 unless both are running")
    add("reset", _reset, "stop both servers and delete this checkout's data")
    runner = add("run", _run, "run a command while the services are running")
    runner.add_argument(
        "--browser", action="store_true", help="set URFMP_CHROMIUM for the command too"
    )
    runner.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    shown = add("demo", _demo, "run the whole product with a demo fleet until Ctrl-C")
    shown.add_argument("--host", default="127.0.0.1", help="address to listen on")
    shown.add_argument("--port", type=int, help="port to listen on (default: 8000, or a free port)")
    add("browser", _browser, "print the path of a Chromium for browser tests")
    return parser


def _up(paths: InstallPaths, _: argparse.Namespace) -> int:
    if external_addresses(paths):
        log_message(_EXTERNAL)
        return 0
    services = Services.for_paths(paths)
    up(services, keep=True)
    log_message(f"PostgreSQL and Redis are running ({paths.state})")
    return 0


def _down(paths: InstallPaths, _: argparse.Namespace) -> int:
    stopped = ["the demo"] if stop_demo(paths) else []
    if not external_addresses(paths):
        stopped += down(Services.for_paths(paths))
    log_message(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")
    return 0


def _env(paths: InstallPaths, _: argparse.Namespace) -> int:
    given = external_addresses(paths)
    if given is not None:
        environment = external_environment(paths, given)
    else:
        services = Services.for_paths(paths)
        up(services, keep=True)
        environment = service_environment(services)
    sys.stdout.write(shell_assignments(environment))
    return 0


def _status(paths: InstallPaths, _: argparse.Namespace) -> int:
    if external_addresses(paths):
        log_message(_EXTERNAL)
        return 0
    services = Services.for_paths(paths)
    pid, redis = server_pid(services.cluster), redis_responds(services.redis)
    lines = [
        f"PostgreSQL  {f'running, process {pid}' if pid else 'stopped'}",
        f"Redis       {f'running, port {services.redis.port}' if redis else 'stopped'}",
        f"state       {paths.state}",
        f"cache       {paths.cache}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if pid and redis else _NOT_RUNNING


def _reset(paths: InstallPaths, _: argparse.Namespace) -> int:
    stop_demo(paths)
    reset(Services.for_paths(paths))
    log_message(f"deleted {paths.state}")
    return 0


def _run(paths: InstallPaths, options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        msg = "Name the command to run: python -m urfmp.embedded run -- COMMAND"
        raise EmbeddedError(msg)
    return run_with_services(paths, command, browser=options.browser)


def _demo(paths: InstallPaths, options: argparse.Namespace) -> int:
    return run_demo(paths, host=options.host, port=options.port)


def _browser(paths: InstallPaths, _: argparse.Namespace) -> int:
    sys.stdout.write(f"{find_browser(paths.cache)}\n")
    return 0


def _explain(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"The disk is full ({error.filename or 'see df'}): free some space and try again, or "
            "set URFMP_STATE_DIR and URFMP_CACHE_DIR to folders on another disk."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"{error.strerror}: {error.filename}. Set URFMP_STATE_DIR and URFMP_CACHE_DIR to "
            "folders that you can write to."
        )
    return str(error)
