"""Tests of the demo's supervisor, with a fake product that starts at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.embedded.conftest import Checkout
from urfmp.embedded.system.paths import checkout_root
from urfmp.embedded.system.processes import is_running, processes_in

MANAGE = """\
import json, os, pathlib, sys, time
command = sys.argv[1]
if command == "load_demo_fleet":
    text = json.dumps({"login": {"email": "a@b.example", "password": "pw"}})
    pathlib.Path(sys.argv[3]).write_text(text)
elif command == "collectstatic":
    os.makedirs(os.environ["STATIC_ROOT"], exist_ok=True)
elif command in {"run_worker", "simulate"}:
    if os.path.exists("broken"):
        sys.exit("the product is broken")
    time.sleep(3600)
"""
WSGI = """\
import os
if os.path.exists("broken"):
    raise RuntimeError("the product is broken")
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ.get("HTTP_X_FORWARDED_FOR", "").encode()]
"""
ASGI = """\
async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"live"})
"""


class Demo:
    """A running `demo` command of a fake checkout."""

    def __init__(self, folder: Path, checkout: Checkout) -> None:
        self.folder = folder
        self.state = checkout.state
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            self.command(),
            cwd=folder,
            env=checkout.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "urfmp.embedded", *(arguments or ("demo",))]

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            self.lines.extend(output)

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            has_ended = not self.reader.is_alive()
            for line in list(self.lines):
                if text in line:
                    return line
            if has_ended:
                break
            time.sleep(0.05)
        pytest.fail(f"no {text!r} in:\n{''.join(self.lines)}")

    def remaining_processes(self) -> list[int]:
        """Return the remaining processes, found by working directory."""
        folders = [self.folder, self.state / "redis", self.state / "postgres/data"]
        return [pid for folder in folders for pid in processes_in(folder)]


@pytest.fixture
def demo(make_checkout):
    checkout = make_checkout()
    folder = checkout.state.parent / "checkout"
    (folder / "urfmp/live").mkdir(parents=True)
    (folder / "docker/proxy").mkdir(parents=True)
    shutil.copy(checkout_root() / "docker/proxy/Caddyfile", folder / "docker/proxy")
    shutil.copytree(checkout_root() / "urfmp/embedded", folder / "urfmp/embedded")
    for name, text in {
        "manage.py": MANAGE,
        "urfmp/__init__.py": "",
        "urfmp/settings.py": "",
        "urfmp/wsgi.py": WSGI,
        "urfmp/live/__init__.py": "",
        "urfmp/live/asgi.py": ASGI,
    }.items():
        (folder / name).write_text(text)
    # The servers' subclasses are the product's own, with all modules that they may import.
    shutil.copy(checkout_root() / "urfmp/env.py", folder / "urfmp/env.py")
    shutil.copytree(checkout_root() / "urfmp/common", folder / "urfmp/common")
    shutil.copytree(checkout_root() / "urfmp/servers", folder / "urfmp/servers")
    started: list[Demo] = []

    def start(*, broken: bool = False) -> Demo:
        if broken:
            (folder / "broken").touch()
        started.append(Demo(folder, checkout))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
        one.process.wait(60)
    subprocess.run(
        Demo.command("reset"), cwd=folder, env=checkout.environment, check=False, timeout=90
    )


def test_demo_starts_restarts_crashed_processes_and_stops(demo):
    running = demo()
    ready = running.wait_for("ready: ")
    address = ready.split()[1]
    assert ready == f"ready: {address} e-mail: a@b.example password: pw\n"
    with urllib.request.urlopen(f"{address}healthz", timeout=30) as answer:
        assert answer.read() == b"127.0.0.1"
    with urllib.request.urlopen(f"{address}api/v1/events", timeout=30) as answer:
        assert answer.read() == b"live"

    again = demo()
    assert again.process.wait(60) == 0
    assert address in again.wait_for("already running")

    crashed = next(pid for pid in processes_in(running.folder) if "run_worker" in _command(pid))
    os.kill(crashed, signal.SIGKILL)
    running.wait_for("worker exited (killed by SIGKILL); restarting now")
    (redis,) = processes_in(running.state / "redis")
    os.kill(redis, signal.SIGKILL)
    running.wait_for("PostgreSQL or Redis has stopped")

    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    assert running.remaining_processes() == []


def test_demo_killed_leaves_only_services_running(demo):
    running = demo()
    running.wait_for("ready: ")
    children = processes_in(running.folder)
    running.process.kill()
    running.process.wait(60)
    deadline = time.monotonic() + 30
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, children))
    second = demo()
    second.wait_for("ready: ")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(60) == 0
    assert second.remaining_processes() == []


def test_demo_broken_product_exits_with_log(demo, make_checkout):
    running = demo(broken=True)
    assert running.process.wait(90) == 1
    running.wait_for("web does not start")
    running.wait_for("the product is broken")
    assert running.remaining_processes() == []
    assert not (running.state / "demo.json").exists()


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
