"""Tests of docker-compose.yml and its images that need no container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.utils.module_loading import import_string

from apps.accounts.selectors.key_format import generate_key

ROOT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP = ("migrate", "web", "live", "worker")

# Dockerfile instructions that every engine supports, without BuildKit's extensions.
_INSTRUCTIONS = {"FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "CMD"}

_PRINT_MAIL_PORT = """
import django, urfmp.settings as s
print(s.MAILERS["default"]["OPTIONS"]["port"] if django.VERSION >= (6, 1) else s.EMAIL_PORT)
"""

each_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_conforms_to_specification():
    text = (
        files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    jsonschema.validate(COMPOSE, json.loads(text))


def test_compose_has_all_services():
    assert set(SERVICES) == {"db", "redis", *APP, "proxy"}


@each_service
def test_image_is_pinned(name):
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"\d+\.\d+\.\d+", tag)


def test_database_image_is_community_edition_pg17():
    image = SERVICES["db"]["image"]
    assert image.startswith("timescale/timescaledb:")
    assert image.endswith("-pg17")


@each_service
def test_service_has_no_privileges(name):
    service = SERVICES[name]
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "no-new-privileges:true" in service["security_opt"]


@each_service
def test_service_restarts_and_has_health_check(name):
    service = SERVICES[name]
    if name == "migrate":
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])


@each_service
def test_service_waits_for_its_dependencies(name):
    for other, rule in SERVICES[name].get("depends_on", {}).items():
        if other == "migrate":
            assert rule["condition"] == "service_completed_successfully"
        elif other == "redis":
            # Redis is optional, so its health is not awaited.
            assert rule["condition"] == "service_started"
        else:
            assert rule["condition"] == "service_healthy"
            assert SERVICES[other]["healthcheck"]["test"]


def test_services_start_after_migrate():
    for name in ("web", "live", "worker"):
        assert "migrate" in SERVICES[name]["depends_on"]
    assert set(SERVICES["migrate"]["depends_on"]) == {"db"}


def test_secrets_are_declared_and_used():
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


@each_service
def test_service_secrets_come_from_files(name):
    service = SERVICES[name]
    mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", ())}
    text = json.dumps({key: service.get(key) for key in ("environment", "command", "healthcheck")})
    assert set(re.findall(r"/run/secrets/\w+", text)) == mounted
    for variable, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|URL", variable):
            assert variable.endswith("_FILE")
            assert value in mounted


def test_only_migrate_has_the_owner_password():
    names = {
        name for name in SERVICES if "migration_database_url" in SERVICES[name].get("secrets", ())
    }
    assert names == {"migrate"}


def test_volumes_and_networks_are_declared_and_used():
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    for mount in mounts:
        if mount.startswith("."):
            assert (ROOT / mount.partition(":")[0]).is_file()
            assert mount.endswith(":ro")
    networks = {network for service in SERVICES.values() for network in service["networks"]}
    assert networks == set(COMPOSE["networks"])


def test_only_proxy_is_published():
    assert {name for name in SERVICES if "ports" in SERVICES[name]} == {"proxy"}
    outside = {name for name, rule in COMPOSE["networks"].items() if not rule.get("internal")}
    assert {name for name in SERVICES if outside & set(SERVICES[name]["networks"])} == {
        "proxy",
        "worker",
    }


@pytest.mark.parametrize("name", APP)
def test_service_environment_has_known_variables(name):
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for variable in SERVICES[name]["environment"]:
        if variable not in {"WEB_CONCURRENCY", "MALLOC_ARENA_MAX"}:  # gunicorn's, the C library's
            assert re.search(rf"^#?{variable.removesuffix('_FILE')}=", example, re.MULTILINE)


@pytest.mark.django_db  # the WSGI module checks its database role
@pytest.mark.parametrize("name", APP)
def test_service_commands_exist(name):
    service = SERVICES[name]
    started = [service["command"], service["healthcheck"].get("test", ["CMD"])[1:]]
    for command in started:
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in get_commands()
    if service["command"][0] in {"gunicorn", "uvicorn"}:
        module, _, attribute = service["command"][1].partition(":")
        assert import_string(f"{module}.{attribute}")


def test_health_checks_use_listening_ports():
    for name, port in (("web", "8000"), ("live", "8001")):
        service = SERVICES[name]
        assert any(part.endswith(port) for part in service["command"])
        assert f":{port}/healthz" in service["healthcheck"]["test"][-1]


def _instructions(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize("path", ["Dockerfile", "docker/proxy/Dockerfile"])
def test_dockerfile_is_plain(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    instructions = _instructions(ROOT / path)
    assert {word for word, _ in instructions} <= _INSTRUCTIONS
    assert not text.startswith("# syntax")
    assert not re.search(r"--(mount|chmod|link|parents|checksum)|<<", text)
    for word, rest in instructions:
        if word == "FROM":
            assert re.search(r":\d+\.\d+\.\d+", rest)
        if word == "COPY" and not rest.startswith("--from"):
            source = (ROOT / path).parent / rest.split()[0]
            assert source.exists()
            assert path != "Dockerfile" or _is_in_build_context(rest.split()[0])
    users = [rest for word, rest in instructions if word == "USER"]
    service = next(
        service for service in SERVICES.values() if service.get("build") == _context(path)
    )
    assert users == [service["user"]]


def _context(path: str) -> str:
    return "." if path == "Dockerfile" else str(Path(path).parent)


def _is_in_build_context(source: str) -> bool:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return "*" in lines and f"!{source.rstrip('/')}" in lines


def _proxied() -> str:
    return (ROOT / "docker/proxy/Caddyfile").read_text(encoding="utf-8")


def test_proxy_routes_streams_to_live():
    text = _proxied()
    device_paths = "/api/v1/device/commands/next /api/v1/device/commands/events"
    assert f"@live path /api/v1/events {device_paths}\n" in text
    live, web = text.split("reverse_proxy {$PROXY_LIVE:live:8001}")[1].split(
        "reverse_proxy {$PROXY_WEB:web:8000}"
    )
    # It would hide from live that a client has disconnected: tests/test_proxy.py.
    assert "\tflush_interval" not in live
    assert "import upstream" in live
    assert "import upstream" in web


def test_proxy_drops_forwarded_headers_of_clients():
    dropped = set(re.findall(r"header_up -(\S+)", _proxied()))
    assert {"Forwarded", "X-Real-Ip", "X-Forwarded-Ssl", "X-Forwarded-Protocol"} <= dropped
    # Caddy sets the usual three itself unless it trusts a proxy in front of it.
    assert "trusted_proxies" not in _proxied()


def test_proxy_ports_are_published():
    assert SERVICES["proxy"]["ports"] == ["80:8080", "443:8443"]
    assert "protocols h1 h2" in _proxied()


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_mail_port_follows_security(security, port):
    """The variables are those of the compose file without a port in `.env`."""
    written = SERVICES["worker"]["environment"]
    values = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text) for name, text in written.items()}
    given = {name: value for name, value in values.items() if name.startswith("EMAIL_")}
    del given["EMAIL_PASSWORD_FILE"]
    shown = subprocess.run(
        [sys.executable, "-c", _PRINT_MAIL_PORT],
        cwd=ROOT,
        env={**os.environ, **given, "EMAIL_HOST": "mail.example", "EMAIL_SECURITY": security},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(shown.stdout) == port


@pytest.fixture
def secrets(tmp_path):
    """Files written by a copy of make-secrets."""
    script = tmp_path / "make-secrets"
    script.write_bytes((ROOT / "docker/make-secrets").read_bytes())
    run = ["/bin/sh", str(script)]
    subprocess.run(run, check=True, capture_output=True, timeout=30)
    folder = tmp_path / "secrets"
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(run, check=True, capture_output=True, timeout=30)
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    return folder


def test_make_secrets_writes_all_files_once(secrets):
    declared = {Path(rule["file"]).name for rule in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == declared
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for path in secrets.iterdir():
        # Readable by the containers' accounts; the folder's mode excludes all other users.
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        # The mail server's password is not generated.
        assert len(path.read_text().strip()) >= (0 if path.name == "email_password" else 64)


def test_make_secrets_urls_name_the_services(secrets):
    def read(name: str) -> str:
        return (secrets / name).read_text().strip()

    assert read("database_url") == f"postgresql://urfmp_app:{read('app_password')}@db:5432/urfmp"
    owner = f"postgresql://urfmp:{read('owner_password')}@db:5432/urfmp"
    assert read("migration_database_url") == owner
    assert read("redis_url") == f"redis://:{read('redis_password')}@redis:6379/0"
    assert (
        len({read(name) for name in ("app_password", "owner_password", "postgres_password")}) == 3
    )


@pytest.mark.parametrize("path", ["docker/make-secrets", "docker/db/100_roles.sh"])
def test_scripts_are_posix(path):
    script = ROOT / path
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", str(script)], check=True, timeout=10)


def test_database_roles_have_no_privileges():
    script = (ROOT / "docker/db/100_roles.sh").read_text(encoding="utf-8")
    for role in ("urfmp", "urfmp_app"):
        options = re.search(rf"CREATE ROLE {role} (.*?);", script, re.DOTALL)
        assert options
        words = set(shlex.split(options[1].replace("'", "")))
        assert {"LOGIN", "NOSUPERUSER", "NOCREATEDB", "NOCREATEROLE", "NOBYPASSRLS"} <= words


def test_proxy_log_contains_no_key():
    options, site = _proxied().split("(upstream)")
    # Not only request lines: an aborted stream is logged by another logger.
    log = options.split("format filter")[1]
    assert re.search(r"^\tlog$", site, re.MULTILINE)
    assert "request>headers>X-Api-Key delete" in log
    pattern = re.search(r'request>uri regexp "(.+)" "(.+)"', log)
    assert pattern is not None
    key = generate_key()
    for address in (f"/write?u=x&p={key}&db=d", "/write?p=word", f"/x/{key}"):
        logged = re.sub(pattern[1], pattern[2], address)
        assert key not in logged
        assert "word" not in logged
    assert re.sub(pattern[1], pattern[2], "/robots?page=2&up=1") == "/robots?page=2&up=1"


def test_web_accepts_longest_api_url():
    """`telemetry/latest` accepts robots in up to 4,000 characters and metrics in 2,000."""
    (limit,) = (
        int(part.partition("=")[2])
        for part in SERVICES["web"]["command"]
        if part.startswith("--limit-request-line=")
    )
    assert limit > 4_000 + 2_000 + 1_000
