"""The commands of `python -m urfmp.embedded`."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable, Sequence

from urfmp.embedded.demo.demo import demo, stop_demo
from urfmp.embedded.environment import (
    external_environment,
    given_addresses,
    service_environment,
    shell_lines,
)
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.browser import find_browser
from urfmp.embedded.runner import run_with_services
from urfmp.embedded.servers.postgres import server_pid
from urfmp.embedded.servers.redis import redis_answers
from urfmp.embedded.servers.services import Services, down, reset, up
from urfmp.embedded.system.output import say
from urfmp.embedded.system.paths import Places, find_places

_DESCRIPTION = "The local services of this checkout."
_NOT_RUNNING = 3
_EXTERNAL = "DATABASE_URL and REDIS_URL are set: those services are used, and left alone"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[Places, argparse.Namespace], int] = options.call
    try:
        return command(find_places(), options)
    except EmbeddedError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    except OSError as error:
        say(_explain(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m urfmp.embedded", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, call: Callable[[Places, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(call=call)
        return command

    add("up", _up, "start PostgreSQL and Redis")
    add("down", _down, "stop them")
    add("env", _env, "start them and print their addresses as KEY=value lines")
    add("status", _status, "say what runs; exit code 3 unless both do")
    add("reset", _reset, "stop them and delete this checkout's data")
    runner = add("run", _run, "run a command with the services up")
    runner.add_argument("--browser", action="store_true", help="give it URFMP_CHROMIUM too")
    runner.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    shown = add("demo", _demo, "run the whole product with a demo fleet until Ctrl-C")
    shown.add_argument("--host", default="127.0.0.1", help="address to listen on")
    shown.add_argument("--port", type=int, help="port of the pages (8000, or a free one)")
    add("browser", _browser, "print the path of a Chromium for tests")
    return parser


def _up(places: Places, _: argparse.Namespace) -> int:
    if given_addresses(places):
        say(_EXTERNAL)
        return 0
    services = Services.of(places)
    up(services, keep=True)
    say(f"PostgreSQL and Redis are running ({places.state})")
    return 0


def _down(places: Places, _: argparse.Namespace) -> int:
    stopped = ["the demo"] if stop_demo(places) else []
    if not given_addresses(places):
        stopped += down(Services.of(places))
    say(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")
    return 0


def _env(places: Places, _: argparse.Namespace) -> int:
    given = given_addresses(places)
    if given is not None:
        environment = external_environment(places, given)
    else:
        services = Services.of(places)
        up(services, keep=True)
        environment = service_environment(services)
    sys.stdout.write(shell_lines(environment))
    return 0


def _status(places: Places, _: argparse.Namespace) -> int:
    if given_addresses(places):
        say(_EXTERNAL)
        return 0
    services = Services.of(places)
    pid, redis = server_pid(services.cluster), redis_answers(services.redis)
    lines = [
        f"PostgreSQL  {f'running, process {pid}' if pid else 'stopped'}",
        f"Redis       {f'running, port {services.redis.port}' if redis else 'stopped'}",
        f"state       {places.state}",
        f"cache       {places.cache}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if pid and redis else _NOT_RUNNING


def _reset(places: Places, _: argparse.Namespace) -> int:
    stop_demo(places)
    reset(Services.of(places))
    say(f"deleted {places.state}")
    return 0


def _run(places: Places, options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        msg = "Say what to run: python -m urfmp.embedded run -- COMMAND"
        raise EmbeddedError(msg)
    return run_with_services(places, command, browser=options.browser)


def _demo(places: Places, options: argparse.Namespace) -> int:
    return demo(places, host=options.host, port=options.port)


def _browser(places: Places, _: argparse.Namespace) -> int:
    sys.stdout.write(f"{find_browser(places.cache)}\n")
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
            "folders that you may write to."
        )
    return str(error)
