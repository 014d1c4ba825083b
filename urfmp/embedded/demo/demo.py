"""`make demo`: the whole product with a fleet to look at, until Ctrl-C."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urfmp.embedded.demo.listen_addresses import Addresses, choose_addresses
from urfmp.embedded.demo.static_files import collected, note_collected
from urfmp.embedded.environment import given_addresses, merged, service_environment
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.runner import services_environment
from urfmp.embedded.servers.postgres import server_pid
from urfmp.embedded.servers.redis import redis_answers
from urfmp.embedded.servers.services import Services, up
from urfmp.embedded.system.files import make_folder, read_text, tail, try_lock, write_atomically
from urfmp.embedded.system.output import Progress, say
from urfmp.embedded.system.paths import Places
from urfmp.embedded.system.processes import alive, send
from urfmp.embedded.system.supervisor import Child, run_step

_START_LIMIT = 90.0
_STOP_LIMIT = 20.0
_SERVICES_EVERY = 2.0


class _Stopped(BaseException):
    """Someone asked us to stop: unwinds what is running, in order."""


class _Stop:
    """The request to stop, which a signal makes and which is not forgotten.

    The first signal raises at once; where that is swallowed (in a destructor, in a library),
    `check` raises again. Further signals change nothing: the orderly end has limits of its own.
    """

    def __init__(self) -> None:
        self.requested = False
        self.unwinding = False

    def __call__(self, _number: int, _frame: object) -> None:
        if not self.requested:
            self.requested = True
            self.check()

    def check(self) -> None:
        """Unwind if that was asked for and is not under way."""
        if self.requested and not self.unwinding:
            raise _Stopped


def demo(places: Places, *, host: str, port: int | None) -> int:
    """Run the demo until it is asked to stop; return the exit code.

    Raises:
        EmbeddedError: A part of it does not start.
    """
    places.make()
    make_folder(places.mail, 0o700)
    lock = try_lock(places.state / "demo.lock")
    if lock is None:
        _say_where(places)
        return 0
    try:
        with _stoppable() as stop:
            _note(places, {"pid": os.getpid()})
            _run(places, host, port, stop)
    except _Stopped:
        say("stopped")
    finally:
        (places.state / "demo.json").unlink(missing_ok=True)
        os.close(lock)
    return 0


def stop_demo(places: Places) -> bool:
    """Stop a demo that runs for this checkout, and wait for its end; return whether one did."""
    pid = running_demo(places).get("pid")
    if not isinstance(pid, int):
        return False
    send(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_LIMIT
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    if alive(pid):
        say("the demo does not stop, so it is killed")
        send(pid, signal.SIGKILL)
    return True


def running_demo(places: Places) -> dict[str, object]:
    """Return what a running demo notes about itself; empty where none runs."""
    if not places.state.is_dir():
        return {}
    lock = try_lock(places.state / "demo.lock")
    if lock is not None:
        os.close(lock)
        return {}
    try:
        return dict(json.loads(read_text(places.state / "demo.json")))
    except ValueError:
        return {}


def _run(places: Places, host: str, port: int | None, stop: _Stop) -> None:
    addresses = choose_addresses(host, port)
    with services_environment(places, always_stop=True) as addresses_of_services:
        stop.check()
        environment = merged(
            {**addresses_of_services, **addresses.environment(), **_settings(places)}
        )
        _prepare(places, environment, stop)
        children = _children(places, addresses, environment)
        try:
            _start(children, addresses, stop)
            _note(places, {"pid": os.getpid(), "url": addresses.web})
            sys.stdout.write(_announcement(places, addresses))
            sys.stdout.flush()
            _watch(children, None if given_addresses(places) else Services.of(places), stop)
        finally:
            stop.unwinding = True
            say("stopping")
            for child in reversed(children):
                child.stop()


def _settings(places: Places) -> dict[str, str]:
    return {
        "DEBUG": "False",
        "INSECURE_HTTP": "True",
        "STATIC_ROOT": str(places.state / "static"),
        "AUDIT_CHECKPOINT_DIR": str(places.state / "audit-checkpoints"),
        "AUDIT_CHECKPOINT_KEY": _checkpoint_key(places),
        **({} if os.environ.get("EMAIL_HOST") else {"EMAIL_FOLDER": str(places.mail)}),
        "DJANGO_SETTINGS_MODULE": "urfmp.settings",
        "PYTHONUNBUFFERED": "1",
    }


def _checkpoint_key(places: Places) -> str:
    """Return the key that signs checkpoints of the audit record, making it at the first call."""
    path = places.state / "audit-checkpoint-key"
    if not (text := read_text(path)):
        text = secrets.token_hex(32)
        write_atomically(path, text)
    return text.strip()


def _prepare(places: Places, environment: dict[str, str], stop: _Stop) -> None:
    def step(text: str, *arguments: str) -> None:
        progress = Progress()
        began = time.monotonic()
        stop.check()
        progress.show(text)
        log = places.logs / f"{arguments[0]}.log"
        code = run_step(
            [sys.executable, "manage.py", *arguments],
            environment,
            places.checkout,
            log,
            lambda: progress.show(text, f"{time.monotonic() - began:.0f} s"),
        )
        if code:
            msg = f"{text} failed. The end of {log}:\n{tail(log)}"
            raise EmbeddedError(msg)

    step("migrating the database", "migrate", "--database", "owner", "--noinput")
    static = Path(environment["STATIC_ROOT"])
    if not collected(places.checkout, static):
        step("collecting static files", "collectstatic", "--noinput", "--clear")
        note_collected(places.checkout, static)
    step("loading the demo fleet", "load_demo_fleet", "--credentials", str(places.credentials))


def _children(places: Places, addresses: Addresses, environment: dict[str, str]) -> list[Child]:
    def child(name: str, *command: str) -> Child:
        log = places.logs / f"{name}.log"
        arguments = [sys.executable, *command]
        return Child(name, arguments, dict(environment), places.checkout, log)

    host, manage = addresses.host, "manage.py"
    return [
        child(
            *("web", "-m", "gunicorn", "urfmp.wsgi:application"),
            *("--worker-class", "urfmp.servers.gunicorn.Worker"),
            *("--workers", "2", "--threads", "16", "--bind", f"{host}:{addresses.web_port}"),
            *("--limit-request-line", "8190"),
            # Its control socket is at one place for all checkouts.
            *("--graceful-timeout", "2", "--no-control-socket"),
        ),
        child(
            *("live", "-m", "uvicorn", "urfmp.live.asgi:application", "--host", host),
            *("--port", str(addresses.live_port), "--no-access-log"),
            *("--http", "urfmp.servers.uvicorn:Protocol"),
            *("--timeout-graceful-shutdown", "1"),
        ),
        child("worker", manage, "run_worker"),
        child(
            *("simulator", manage, "simulate", "--url", addresses.web_inside),
            *("--keys", str(places.credentials)),
        ),
    ]


def _start(children: list[Child], addresses: Addresses, stop: _Stop) -> None:
    progress = Progress()
    serving = {"web": addresses.web_inside, "live": addresses.live_inside}
    for child in children:
        if child.name == "simulator":
            _wait_until_healthy(children, serving, stop)
        stop.check()
        progress.show(f"starting {child.name}")
        child.start()


def _wait_until_healthy(children: list[Child], serving: dict[str, str], stop: _Stop) -> None:
    progress = Progress()
    deadline = time.monotonic() + _START_LIMIT
    waiting = dict(serving)
    while waiting:
        stop.check()
        for child in children:
            if child.name in waiting and child.died():
                msg = f"{child.name} does not start. The end of {child.log}:\n{tail(child.log, 80)}"
                raise EmbeddedError(msg)
        waiting = {name: url for name, url in waiting.items() if not _healthy(url)}
        if waiting and time.monotonic() > deadline:
            logs = {child.name: child.log for child in children}
            name = next(iter(waiting))
            msg = f"{name} does not answer {waiting[name]}/healthz. See {logs[name]}:\n"
            raise EmbeddedError(msg + tail(logs[name]))
        progress.show(f"waiting for {' and '.join(waiting)}" if waiting else "all answer")
        time.sleep(0.1 if waiting else 0)


def _healthy(url: str) -> bool:
    # A proxy in the environment is for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _watch(children: list[Child], services: Services | None, stop: _Stop) -> None:
    look_at_services = 0.0
    while True:
        stop.check()
        for child in children:
            child.watch()
        if services and time.monotonic() >= look_at_services:
            _keep_up(children, services)
            look_at_services = time.monotonic() + _SERVICES_EVERY
        time.sleep(0.25)


def _keep_up(children: list[Child], services: Services) -> None:
    if server_pid(services.cluster) and redis_answers(services.redis):
        return
    say("PostgreSQL or Redis has ended; it is started again")
    try:
        up(services, keep=False)
    except EmbeddedError as error:
        say(str(error))
        return
    environment = service_environment(services)
    if environment.items() <= children[0].environment.items():
        return
    say("Redis has another port now, so everything that uses it is started again")
    for child in reversed(children):
        child.stop()
        child.environment.update(environment)


def _announcement(places: Places, addresses: Addresses) -> str:
    try:
        sign_in = json.loads(read_text(places.credentials))["sign_in"]
        email, password = sign_in["email"], sign_in["password"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{places.credentials} does not hold a sign-in: {error!r}"
        raise EmbeddedError(msg) from error
    return (
        f"\nURFMP is running; Ctrl-C stops it.\n"
        f"  pages     {addresses.web}/\n"
        f"  live      {addresses.live}/\n"
        f"  e-mail    {email}\n"
        f"  password  {password}\n"
        f"  others    {places.credentials} (every demo user, and the robots' keys)\n"
        f"  mail      {places.mail} (what would be sent, unless EMAIL_HOST is set)\n"
        f"  logs      {places.logs}\n"
        f"ready: {addresses.web}/ e-mail: {email} password: {password}\n"
    )


def _say_where(places: Places) -> None:
    running = running_demo(places)
    where = f"at {running['url']}/" if "url" in running else "but is still starting"
    say(f"the demo of this checkout runs already, {where} (process {running.get('pid')})")
    if "url" in running and places.credentials.exists():
        say(f"its sign-ins are in {places.credentials}; `make down` stops it")


def _note(places: Places, what: dict[str, object]) -> None:
    write_atomically(places.state / "demo.json", json.dumps(what), mode=0o644)


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()
    previous = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # Ignored means nohup: the demo is to outlive its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
