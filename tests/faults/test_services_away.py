"""Redis stopped, PostgreSQL restarted: on services of their own, with a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
_OUTSIDE = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "ADMIN_DATABASE_URL")

SETUP = """
import json
from apps.accounts.services import api_key_create, system_user_get, user_create
from apps.organizations.services import organization_create
from apps.robots.services import robot_register
from urfmp.common.tenancy import tenant_transaction
o = organization_create(name="Acme", slug="acme")
with tenant_transaction(o.id):
    user_create(organization_id=o.id, email="a@acme.example", role="admin",
                password="correct horse battery staple")
    robot = robot_register(organization_id=o.id, name="R", vendor="kuka", configuration={})
    _, key = api_key_create(organization_id=o.id, user=system_user_get(organization_id=o.id),
                            name="d", permissions=["telemetry:write"], robot=robot)
print("KEY=" + key)
"""


def embedded(command: str, state: Path, **kwargs) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in _OUTSIDE}
    environment["URFMP_STATE_DIR"] = str(state)
    done = subprocess.run(
        [sys.executable, "-m", "urfmp.embedded", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


class Server:
    """A web process with its own database and Redis."""

    def __init__(self, state: Path) -> None:
        self.state = state
        lines = embedded("env", state).splitlines()
        self.environment = {
            **os.environ,
            **dict(line.split("=", 1) for line in lines if "=" in line),
            "INSECURE_HTTP": "True",
            "STATIC_ROOT": str(ROOT / "apps"),
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "urfmp.settings",
        }
        self.manage("migrate", "--verbosity", "0")
        self.key = re.search(r"KEY=(\S+)", self.manage("shell", "-v0", "-c", SETUP)).group(1)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "urfmp.wsgi:application",
                "--worker-class",
                "gthread",
                "--threads",
                "4",
                "--bind",
                "127.0.0.1:0",
                "--log-level",
                "info",
            ],
            cwd=ROOT,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            if found := re.search(r"Listening at: (http://\S+)", line):
                self.url = found.group(1)
                break
        os.set_blocking(self.process.stderr.fileno(), False)
        self.cookie = ""

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    def call(self, path: str, data: bytes | None = None, **headers: str):
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            answer = opener.open(request, timeout=15)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return (
                answer.status if hasattr(answer, "status") else answer.code,
                dict(answer.headers.items()),
                answer.read(),
                answer.headers.get_all("Set-Cookie") or [],
            )

    def ingest(self, value: float):
        point = {"metric_name": "a", "time": datetime.now(UTC).isoformat(), "value": value}
        return self.call(
            "/api/v1/telemetry",
            json.dumps({"points": [point]}).encode(),
            **{"Content-Type": "application/json", "X-API-Key": self.key},
        )

    def sign_in(self) -> str:
        _, _, page, cookies = self.call("/admin/login/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1).decode()
        cookie = cookies[0].split(";")[0]
        body = urllib.parse.urlencode(
            {
                "csrfmiddlewaretoken": token,
                "email": "a@acme.example",
                "password": "correct horse battery staple",
                "next": "/admin/",
            }
        ).encode()
        status, _, page, cookies = self.call(
            "/admin/login/", body, Cookie=cookie, Referer=self.url + "/admin/login/"
        )
        assert status == 302, page[:500]
        return "; ".join([cookie, *(item.split(";")[0] for item in cookies)])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        self.process.stderr.close()
        embedded("down", self.state)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


@pytest.fixture(scope="module")
def server():
    base = Path("/var/lib/urfmp") if os.geteuid() == 0 else None
    if base:
        base.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="faults-", dir=base))
    state.chmod(0o755)
    running = Server(state)
    yield running
    running.stop()
    shutil.rmtree(state, ignore_errors=True)


def redis_pid(server: Server) -> int:
    password, port = re.search(
        r"redis://:([^@]+)@[^:]+:(\d+)", server.environment["REDIS_URL"]
    ).groups()
    import redis

    with redis.Redis(port=int(port), password=password) as client:
        return client.info("server")["process_id"]


def postmaster_pid(server: Server) -> int:
    for path in server.state.rglob("postmaster.pid"):
        return int(path.read_text().split()[0])
    raise AssertionError


def test_pages_and_ingest_go_on_without_redis(server):
    cookie = server.sign_in()
    assert server.call("/admin/", Cookie=cookie)[0] == 200
    os.kill(redis_pid(server), signal.SIGKILL)
    for _ in range(5):
        assert server.ingest(1.0)[0] == 200
        status, _, page, _ = server.call("/admin/", Cookie=cookie)
        assert status == 200, page[:300]
    assert server.call("/admin/", Cookie=server.sign_in())[0] == 200
    embedded("up", server.state)
    assert server.ingest(1.0)[0] == 200


def test_database_restart_is_503_and_then_healthy_within_five_seconds(server):
    cookie = server.sign_in()
    os.kill(postmaster_pid(server), signal.SIGKILL)
    subprocess.run(["sleep", "0.3"], check=True)
    for path, headers in (
        ("/healthz", {}),
        ("/admin/", {"Cookie": cookie}),
        ("/api/v1/robots", {"X-API-Key": server.key}),
    ):
        status, answer, body, _ = server.call(path, **headers)
        assert status == 503, (path, status, body[:300])
        assert int(answer["Retry-After"]) > 0
    status, answer, body, _ = server.ingest(2.0)
    assert status == 503
    assert json.loads(body)["code"] == "unavailable"
    embedded("up", server.state)
    deadline = time.monotonic() + 5
    statuses = set()
    while time.monotonic() < deadline:
        statuses.add(server.ingest(3.0)[0])
        if server.call("/healthz")[0] == 200 and server.ingest(3.0)[0] == 200:
            break
        time.sleep(0.1)
    assert statuses <= {200, 503}
    for _ in range(12):  # every thread of the server, each with a connection of its own
        assert server.ingest(4.0)[0] == 200
        assert server.call("/admin/", Cookie=cookie)[0] == 200


def test_owner_and_superuser_are_refused(server):
    for name in ("MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL"):
        environment = {**server.environment, "DATABASE_URL": server.environment[name]}
        done = subprocess.run(
            [sys.executable, "-c", "import urfmp.wsgi"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode != 0
        assert "urfmp_app" in done.stderr
