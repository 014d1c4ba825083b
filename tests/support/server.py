"""A complete installation for a test: own PostgreSQL and Redis, real server processes."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.support.proxy import proxy

_SETUP_OUTPUT = "setup.txt"
ROOT = Path(__file__).resolve().parent.parent.parent
_SUITE_VARIABLES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "ADMIN_DATABASE_URL")

SETUP = """
import json
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.users import system_user_get, user_create
from apps.organizations.services.organizations import organization_create
from apps.robots.services.robots import robot_register
from urfmp.common.tenancy.context import tenant_transaction
o = organization_create(name="Acme", slug="acme", plan="enterprise")
with tenant_transaction(o.id):
    user_create(organization_id=o.id, email="a@acme.example", role="admin",
                password="correct horse battery staple")
    robot = robot_register(organization_id=o.id, name="R", vendor="kuka", configuration={})
    _, key = api_key_create(organization_id=o.id, user=system_user_get(organization_id=o.id),
                            name="d", permissions=["telemetry:write", "commands:write"],
                            robot=robot)
print("ROBOT=" + str(robot.pk), "KEY=" + key)
"""

MAKE_KEY = """
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.users import system_user_get
from urfmp.common.tenancy.context import tenant_transaction
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT organization_ids()")
    (o,) = cursor.fetchone()
with tenant_transaction(o):
    _, key = api_key_create(organization_id=o, user=system_user_get(organization_id=o),
                            name="r", permissions={permissions})
print("KEY=" + key)
"""


def embedded(command: str, state: Path, **kwargs) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in _SUITE_VARIABLES}
    environment["URFMP_STATE_DIR"] = str(state)
    done = subprocess.run(
        [sys.executable, "-m", "urfmp.embedded", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _environment(state: Path) -> dict[str, str]:
    """Start the servers of a state folder, and return the environment of its processes."""
    lines = embedded("env", state).splitlines()
    return {
        **os.environ,
        **dict(line.split("=", 1) for line in lines if "=" in line),
        "INSECURE_HTTP": "True",
        "STATIC_ROOT": str(state),
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "tests.support.served_settings",
    }


def _manage(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


def _state_folder() -> Path:
    base = Path("/var/lib/urfmp") if os.geteuid() == 0 else None
    if base:
        base.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="test-", dir=base))
    state.chmod(0o755)
    return state


@cache
def _template() -> Path:
    """Return the state folder that every installation of this test process is a copy of.

    Its database is migrated and has one organization; its servers are stopped.
    """
    state = _state_folder()
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    try:
        environment = _environment(state)
        _manage(environment, "migrate", "--verbosity", "0")
        made = _manage(environment, "shell", "-v0", "-c", SETUP)
        (state / _SETUP_OUTPUT).write_text(made)
    finally:
        embedded("down", state)
    return state


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The web process, with its own database and Redis; optionally live, behind the proxy."""

    def __init__(self, state: Path, *, live: bool = False, workers: int = 1) -> None:
        self.state = state
        self._stack = ExitStack()
        self.log = state / "servers.log"
        web_port, live_port, proxy_port = free_port(), free_port(), free_port()
        self.web_url = f"http://127.0.0.1:{web_port}"
        self.live_url = f"http://127.0.0.1:{live_port}"  # without the proxy
        self.url = f"http://127.0.0.1:{proxy_port}" if live else self.web_url
        self.environment = {
            **_environment(state),
            "WEB_ORIGIN": self.url,
            "TRUST_PROXY": str(live),
        }
        made = (state / _SETUP_OUTPUT).read_text()
        self.robot_id, self.key = re.search(r"ROBOT=(\S+) KEY=(\S+)", made).groups()
        web = [
            "gunicorn",
            "urfmp.wsgi:application",
            "--worker-class",
            "urfmp.servers.gunicorn.Worker",
        ]
        web += ["--threads", "4", "--limit-request-line", "8190"]
        web += ["--workers", str(workers), "--bind", f"127.0.0.1:{web_port}"]
        web += ["--graceful-timeout", "5", "--no-control-socket"]
        self.processes = [self._start(*web)]
        if live:
            live_command = ["uvicorn", "urfmp.live.asgi:application", "--port", str(live_port)]
            live_command += ["--http", "urfmp.servers.uvicorn:Protocol"]
            live_command += ["--timeout-graceful-shutdown", "5"]
            self.processes.append(self._start(*live_command))
            self._wait(f"http://127.0.0.1:{live_port}/healthz")
            self._stack.enter_context(proxy(web_port, live_port, state, proxy_port))
        self._wait(self.url + "/healthz")

    def _start(self, *command: str) -> subprocess.Popen:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + 90
        while True:
            with suppress(OSError), urllib.request.urlopen(url, timeout=5):
                return
            assert time.monotonic() < deadline, f"{url} does not respond"
            time.sleep(0.1)

    def manage(self, *arguments: str) -> str:
        return _manage(self.environment, *arguments)

    def make_key(self, *permissions: str) -> str:
        """Return a new API key of the organization."""
        made = self.manage("shell", "-v0", "-c", MAKE_KEY.format(permissions=list(permissions)))
        return made.strip().split("KEY=")[1]

    def call(self, path: str, data: bytes | None = None, **headers: str):
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            answer = opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return (
                answer.status if hasattr(answer, "status") else answer.code,
                dict(answer.headers.items()),
                answer.read(),
                answer.headers.get_all("Set-Cookie") or [],
            )

    def ingest(self, value: float, metric_name: str = "a", times: Iterable[datetime] = ()):
        """Send one value at each time, by default now."""
        points = [
            {"metric_name": metric_name, "time": time.isoformat(), "value": value}
            for time in times or (datetime.now(UTC),)
        ]
        return self.call(
            "/api/v1/telemetry",
            json.dumps({"points": points}).encode(),
            **{"Content-Type": "application/json", "X-API-Key": self.key},
        )

    def try_login(self, password: str) -> tuple[int, bytes, list[str]]:
        """Return the response's status, page and cookies."""
        _, _, page, cookies = self.call("/admin/login/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1).decode()
        cookie = cookies[0].split(";")[0]
        body = urllib.parse.urlencode(
            {
                "csrfmiddlewaretoken": token,
                "email": "a@acme.example",
                "password": password,
                "next": "/admin/",
            }
        ).encode()
        status, _, page, cookies = self.call(
            "/admin/login/", body, Cookie=cookie, Referer=self.url + "/admin/login/"
        )
        return status, page, [cookie, *(item.split(";")[0] for item in cookies)]

    def login_cookie(self) -> str:
        status, page, cookies = self.try_login("correct horse battery staple")
        assert status == 302, page[:500]
        return "; ".join(cookies)

    def stop(self) -> None:
        self._stack.close()
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)
        embedded("down", self.state)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


@contextmanager
def installation(*, live: bool = False, workers: int = 1) -> Iterator[Server]:
    """Run an installation for a block and remove it afterwards."""
    state = _state_folder()
    # With owners: PostgreSQL reads only what belongs to its account.
    subprocess.run(["cp", "-a", f"{_template()}/.", state], check=True)
    running = Server(state, live=live, workers=workers)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(state, ignore_errors=True)
