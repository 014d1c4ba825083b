"""Run the whole product with the demo fleet until Ctrl-C (`make demo`)."""

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

from urfmp.embedded.demo.listen_addresses import ListenAddresses, choose_addresses
from urfmp.embedded.demo.processes import demo_processes
from urfmp.embedded.demo.static_files import is_collected, mark_collected
from urfmp.embedded.environment import external_addresses, merge_environment, service_environment
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.programs.proxy import find_proxy
from urfmp.embedded.runner import services_environment
from urfmp.embedded.servers.postgres import server_pid
from urfmp.embedded.servers.redis import redis_responds
from urfmp.embedded.servers.services import Services, up
from urfmp.embedded.system.files import make_folder, read_text, tail, try_lock, write_atomically
from urfmp.embedded.system.output import Progress, log_message
from urfmp.embedded.system.paths import InstallPaths
from urfmp.embedded.system.ports import HOST
from urfmp.embedded.system.processes import is_running, send_signal
from urfmp.embedded.system.supervisor import SupervisedProcess, run_step

_START_TIMEOUT_SECONDS = 90.0
_STOP_TIMEOUT_SECONDS = 20.0
_SERVICES_CHECK_SECONDS = 2.0


class _StopRequested(BaseException):
    """Raised on a stop request; unwinds the running steps in order."""


class _StopSignal:
    """A signal handler that records the request to stop.

    The first signal raises at once. If that exception is swallowed, in a destructor or a library,
    `check` raises again. Further signals are ignored: the shutdown has its own timeouts.
    """

    def __init__(self) -> None:
        self.requested = False
        self.unwinding = False

    def __call__(self, _number: int, _frame: object) -> None:
        if not self.requested:
            self.requested = True
            self.check()

    def check(self) -> None:
        """Raise if a stop was requested and shutdown has not begun."""
        if self.requested and not self.unwinding:
            raise _StopRequested


def run_demo(paths: InstallPaths, *, host: str, port: int | None) -> int:
    """Run the demo until it is stopped; return the exit code.

    Raises:
        EmbeddedError: A part of the demo does not start.
    """
    paths.create()
    make_folder(paths.mail, 0o700)
    lock = try_lock(paths.state / "demo.lock")
    if lock is None:
        _log_running_demo(paths)
        return 0
    try:
        with _stop_on_signals() as stop:
            _write_state(paths, {"pid": os.getpid()})
            _run(paths, host, port, stop)
    except _StopRequested:
        log_message("stopped")
    finally:
        (paths.state / "demo.json").unlink(missing_ok=True)
        os.close(lock)
    return 0


def stop_demo(paths: InstallPaths) -> bool:
    """Stop the demo of this checkout and wait for its end.

    Returns:
        Whether a demo was running.
    """
    pid = running_demo(paths).get("pid")
    if not isinstance(pid, int):
        return False
    send_signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    if is_running(pid):
        log_message("the demo did not stop in time; killing it")
        send_signal(pid, signal.SIGKILL)
    return True


def running_demo(paths: InstallPaths) -> dict[str, object]:
    """Return the running demo's state file, {} if none is running."""
    if not paths.state.is_dir():
        return {}
    lock = try_lock(paths.state / "demo.lock")
    if lock is not None:
        os.close(lock)
        return {}
    try:
        return dict(json.loads(read_text(paths.state / "demo.json")))
    except ValueError:
        return {}


def _run(paths: InstallPaths, host: str, port: int | None, stop: _StopSignal) -> None:
    addresses = choose_addresses(host, port)
    proxy = find_proxy(paths.cache)
    with services_environment(paths, always_stop=True) as service_variables:
        stop.check()
        environment = merge_environment(
            {**service_variables, **addresses.environment(), **_settings(paths)}
        )
        _prepare(paths, environment, stop)
        processes = demo_processes(paths, addresses, environment, proxy)
        try:
            _start(processes, addresses, stop)
            _write_state(paths, {"pid": os.getpid(), "url": addresses.origin})
            sys.stdout.write(_announcement(paths, addresses))
            sys.stdout.flush()
            _supervise(
                processes, None if external_addresses(paths) else Services.for_paths(paths), stop
            )
        finally:
            stop.unwinding = True
            log_message("stopping")
            for process in reversed(processes):
                process.stop()


def _settings(paths: InstallPaths) -> dict[str, str]:
    return {
        "DEBUG": "False",
        "INSECURE_HTTP": "True",
        "STATIC_ROOT": str(paths.state / "static"),
        "AUDIT_CHECKPOINT_DIR": str(paths.state / "audit-checkpoints"),
        "AUDIT_CHECKPOINT_KEY": _checkpoint_key(paths),
        **({} if os.environ.get("EMAIL_HOST") else {"EMAIL_FOLDER": str(paths.mail)}),
        "DJANGO_SETTINGS_MODULE": "urfmp.settings",
        "PYTHONUNBUFFERED": "1",
    }


def _checkpoint_key(paths: InstallPaths) -> str:
    """Return the key that signs audit log checkpoints.

    The first call generates it.
    """
    path = paths.state / "audit-checkpoint-key"
    if not (text := read_text(path)):
        text = secrets.token_hex(32)
        write_atomically(path, text)
    return text.strip()


def _prepare(paths: InstallPaths, environment: dict[str, str], stop: _StopSignal) -> None:
    def step(text: str, *arguments: str) -> None:
        progress = Progress()
        began = time.monotonic()
        stop.check()
        progress.show(text)
        log = paths.logs / f"{arguments[0]}.log"
        code = run_step(
            [sys.executable, "manage.py", *arguments],
            environment,
            paths.checkout,
            log,
            lambda: progress.show(text, f"{time.monotonic() - began:.0f} s"),
        )
        if code:
            msg = f"{text} failed. End of {log}:\n{tail(log)}"
            raise EmbeddedError(msg)

    step("migrating the database", "migrate", "--database", "owner", "--noinput")
    static = Path(environment["STATIC_ROOT"])
    if not is_collected(paths.checkout, static):
        step("collecting static files", "collectstatic", "--noinput", "--clear")
        mark_collected(paths.checkout, static)
    step("loading the demo fleet", "load_demo_fleet", "--credentials", str(paths.credentials))


def _start(
    processes: list[SupervisedProcess], addresses: ListenAddresses, stop: _StopSignal
) -> None:
    progress = Progress()
    serving = {
        "web": f"http://{HOST}:{addresses.web_port}",
        "live": f"http://{HOST}:{addresses.live_port}",
        "proxy": addresses.local_origin,
    }
    for process in processes:
        if process.name == "simulator":
            _wait_until_healthy(processes, serving, stop)
        stop.check()
        progress.show(f"starting {process.name}")
        process.start()


def _wait_until_healthy(
    processes: list[SupervisedProcess], serving: dict[str, str], stop: _StopSignal
) -> None:
    progress = Progress()
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    waiting = dict(serving)
    while waiting:
        stop.check()
        for process in processes:
            if process.name in waiting and process.has_exited():
                log_end = tail(process.log, 80)
                msg = f"{process.name} does not start. End of {process.log}:\n{log_end}"
                raise EmbeddedError(msg)
        waiting = {name: url for name, url in waiting.items() if not _is_healthy(url)}
        if waiting and time.monotonic() > deadline:
            logs = {process.name: process.log for process in processes}
            name = next(iter(waiting))
            msg = f"{name} does not respond on {waiting[name]}/healthz. See {logs[name]}:\n"
            raise EmbeddedError(msg + tail(logs[name]))
        progress.show(
            f"waiting for {' and '.join(waiting)}" if waiting else "all processes respond"
        )
        time.sleep(0.1 if waiting else 0)


def _is_healthy(url: str) -> bool:
    # A proxy set in the environment is for external hosts.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _supervise(
    processes: list[SupervisedProcess], services: Services | None, stop: _StopSignal
) -> None:
    next_check = 0.0
    while True:
        stop.check()
        for process in processes:
            process.restart_if_exited()
        if services and time.monotonic() >= next_check:
            _restart_services(processes, services)
            next_check = time.monotonic() + _SERVICES_CHECK_SECONDS
        time.sleep(0.25)


def _restart_services(processes: list[SupervisedProcess], services: Services) -> None:
    if server_pid(services.cluster) and redis_responds(services.redis):
        return
    log_message("PostgreSQL or Redis has stopped; restarting it")
    try:
        up(services, keep=False)
    except EmbeddedError as error:
        log_message(str(error))
        return
    environment = service_environment(services)
    if environment.items() <= processes[0].environment.items():
        return
    log_message("Redis has a new port; restarting the processes that use it")
    for process in reversed(processes):
        if "REDIS_URL" in process.environment:
            process.stop()
            process.environment.update(environment)


def _announcement(paths: InstallPaths, addresses: ListenAddresses) -> str:
    try:
        login = json.loads(read_text(paths.credentials))["login"]
        email, password = login["email"], login["password"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{paths.credentials} contains no login: {error!r}"
        raise EmbeddedError(msg) from error
    return (
        f"\nURFMP is running; press Ctrl-C to stop it.\n"
        f"  address   {addresses.origin}/\n"
        f"  e-mail    {email}\n"
        f"  password  {password}\n"
        f"  others    {paths.credentials} (all demo users, and the robots' API keys)\n"
        f"  mail      {paths.mail} (outgoing e-mail as files, unless EMAIL_HOST is set)\n"
        f"  logs      {paths.logs}\n"
        f"ready: {addresses.origin}/ e-mail: {email} password: {password}\n"
    )


def _log_running_demo(paths: InstallPaths) -> None:
    running = running_demo(paths)
    where = f"at {running['url']}/" if "url" in running else "but is still starting"
    log_message(
        f"the demo of this checkout is already running, {where} (process {running.get('pid')})"
    )
    if "url" in running and paths.credentials.exists():
        log_message(f"its passwords are in {paths.credentials}; `make down` stops it")


def _write_state(paths: InstallPaths, what: dict[str, object]) -> None:
    write_atomically(paths.state / "demo.json", json.dumps(what), mode=0o644)


@contextmanager
def _stop_on_signals() -> Iterator[_StopSignal]:
    stop = _StopSignal()
    previous = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # An ignored SIGHUP means nohup: the demo outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
