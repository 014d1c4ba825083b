"""Tests of the environment variables: parsing, `.env.example` and settings."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from urfmp.env import database_from_url, env_bool, env_int, env_list, env_str, mailer

ROOT = Path(settings.BASE_DIR)
ENGINE = "urfmp.db.backends.postgresql"


def _read_by_settings() -> set[str]:
    tree = ast.parse((ROOT / "urfmp/settings.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id.startswith("env_")
    ]
    names = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert len(calls) >= len(names) > 5
    return names


def _example() -> tuple[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    application, compose = text.split("# docker-compose.yml alone")
    return application, compose


def _names(text: str) -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z_]+)=", text, re.MULTILINE)


def test_settings_variable_names_are_literals():
    """A computed name would escape the comparison with `.env.example`."""
    tree = ast.parse((ROOT / "urfmp/settings.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env_"):
            assert isinstance(node.args[0], ast.Constant)
    assert not re.search(r"\bos\b|getenv", ast.unparse(tree))


def test_example_lists_every_variable_once():
    names = _names(_example()[0])
    assert sorted(names) == sorted(_read_by_settings())


def test_example_lists_compose_variables():
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    shared = {"LOG_LEVEL", "ORGANIZATION_RATE_LIMIT", "ROBOT_OFFLINE_AFTER_SECONDS"}
    shared |= {name for name in _names(_example()[0]) if name.startswith("EMAIL_")}
    shared -= {"EMAIL_FOLDER", "EMAIL_PASSWORD"}
    known = set(_names(_example()[1])) | shared
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", compose)) == known


def test_example_describes_every_variable():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if _names(line):
            assert before.startswith("# ")


@pytest.mark.parametrize(
    ("text", "value"),
    [("True", True), ("true", True), ("1", True), ("False", False), ("FALSE", False), ("0", False)],
)
def test_env_bool_parses_text(monkeypatch, text, value):
    monkeypatch.setenv("NAME", text)
    assert env_bool("NAME", default=not value) is value


@pytest.mark.parametrize("text", ["", "yes", "on", "2", " True", "None"])
def test_env_bool_invalid_text_raises(monkeypatch, text):
    monkeypatch.setenv("NAME", text)
    with pytest.raises(ImproperlyConfigured, match="NAME must be True or False"):
        env_bool("NAME", default=True)


@pytest.mark.parametrize("default", [True, False])
def test_env_bool_unset_returns_default(monkeypatch, default):
    monkeypatch.delenv("NAME", raising=False)
    assert env_bool("NAME", default=default) is default


@pytest.mark.parametrize("text", ["ten", "4", "-5", "5.5", "0x10", " "])
def test_env_int_invalid_or_below_minimum_raises(monkeypatch, text):
    monkeypatch.setenv("NAME", text)
    with pytest.raises(ImproperlyConfigured, match="at least 5"):
        env_int("NAME", default=30, minimum=5)


def test_env_int_parses_text_or_returns_default(monkeypatch):
    monkeypatch.setenv("NAME", "5")
    assert env_int("NAME", default=30, minimum=5) == 5
    monkeypatch.delenv("NAME")
    assert env_int("NAME", default=30) == 30
    monkeypatch.setenv("NAME", "")
    assert env_int("NAME", default=30) == 30


SERVER = {"host": "mail.example", "port": 587}


@pytest.mark.parametrize(
    ("server", "folder", "kind", "options"),
    [
        (SERVER, "", "smtp", SERVER),
        ({**SERVER, "host": ""}, "/mail", "filebased", {"file_path": "/mail"}),
        ({**SERVER, "host": ""}, "", "console", {}),
    ],
)
def test_mailer_selects_one_backend(server, folder, kind, options):
    made = mailer(server, folder)
    assert made["BACKEND"] == f"django.core.mail.backends.{kind}.EmailBackend"
    assert made["OPTIONS"] == options
    assert import_string(made["BACKEND"])


def test_mailer_server_and_folder_raises():
    with pytest.raises(ImproperlyConfigured, match="not both"):
        mailer(SERVER, "/mail")


def test_env_list_splits_and_strips(monkeypatch):
    monkeypatch.setenv("NAME", " a, b,,c ,")
    assert env_list("NAME") == ["a", "b", "c"]
    monkeypatch.setenv("NAME", "")
    assert env_list("NAME", "x") == []


def test_env_str_unset_raises_with_name(monkeypatch):
    monkeypatch.delenv("NAME", raising=False)
    with pytest.raises(ImproperlyConfigured, match=r"Set NAME \(or NAME_FILE\)"):
        env_str("NAME")


def test_env_str_file_takes_precedence_without_newline(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("NAME", "from the environment")
    monkeypatch.setenv("NAME_FILE", str(tmp_path / "secret"))
    assert env_str("NAME") == "from the file"


def test_env_file_works_for_all_types(monkeypatch, tmp_path):
    (tmp_path / "value").write_text("1\n")
    monkeypatch.setenv("NAME_FILE", str(tmp_path / "value"))
    assert env_bool("NAME", default=False) is True
    assert env_int("NAME", default=30) == 1
    assert env_list("NAME") == ["1"]


@pytest.mark.parametrize("name", ["missing", "."])
def test_env_file_unreadable_raises_with_name(monkeypatch, tmp_path, name):
    monkeypatch.setenv("NAME_FILE", str(tmp_path / name))
    with pytest.raises(ImproperlyConfigured, match=r"NAME_FILE names .* cannot be read"):
        env_str("NAME", "default")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db:5433/fleet", ("fleet", "u", "p", "db", "5433")),
        ("postgres://u@db/fleet", ("fleet", "u", "", "db", "")),
        ("postgresql://u:p%40%2Fq@db/fleet", ("fleet", "u", "p@/q", "db", "")),
        ("postgresql://u@%2Frun%2Fpg:6000/fleet", ("fleet", "u", "", "/run/pg", "6000")),
        ("postgresql:///fleet?host=/run/pg&port=6000", ("fleet", "", "", "/run/pg", "6000")),
        ("postgresql://u@a:1,b:2/fleet", ("fleet", "u", "", "a,b", "1,2")),
        ("postgresql://u@[::1]:5432/fleet", ("fleet", "u", "", "::1", "5432")),
        ("host=/run/pg dbname=fleet user=u", ("fleet", "u", "", "/run/pg", "")),
    ],
)
def test_database_from_url_parses_url(url, expected):
    entry = database_from_url(url, engine=ENGINE)
    assert tuple(entry[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == expected
    assert entry["ENGINE"] == ENGINE
    assert entry["OPTIONS"] == {}


def test_database_from_url_keeps_libpq_options():
    entry = database_from_url("postgresql://u@db/fleet?sslmode=verify-full", engine=ENGINE)
    assert entry["OPTIONS"] == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u@db/fleet", "not a valid libpq URL"),
        ("postgresql://u@db/fleet?nonsense=1", "not a valid libpq URL"),
        ("postgresql://u@[::1/fleet", "not a valid libpq URL"),
        ("postgresql://u@db", "names no database"),
        ("", "names no database"),
    ],
)
def test_database_from_url_invalid_raises(url, reason):
    with pytest.raises(ImproperlyConfigured, match=reason):
        database_from_url(url, engine=ENGINE)


def test_database_from_url_error_hides_password():
    with pytest.raises(ImproperlyConfigured) as caught:
        database_from_url("postgresql://u:hunter2@db/fleet?nonsense=1", engine=ENGINE)
    assert "hunter2" not in str(caught.value)
