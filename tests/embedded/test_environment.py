from __future__ import annotations

from pathlib import Path

import pytest

from urfmp.embedded import environment
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.paths import InstallPaths


def paths_in(folder: Path) -> InstallPaths:
    return InstallPaths(folder / "checkout", folder / "state", folder / "cache")


def test_external_addresses_take_precedence(monkeypatch, tmp_path):
    given = {
        "DATABASE_URL": "postgresql://app@db/urfmp",
        "MIGRATION_DATABASE_URL": "postgresql://owner@db/urfmp",
        "REDIS_URL": "redis://cache/0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    paths = paths_in(tmp_path)
    assert environment.external_addresses(paths) == given
    completed = environment.external_environment(paths, given)
    assert completed["DATABASE_URL"] == given["DATABASE_URL"]
    assert len(completed["SECRET_KEY"]) >= 50
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(EmbeddedError, match="not REDIS_URL"):
        environment.external_addresses(paths)


def test_external_addresses_ignore_our_own(monkeypatch, tmp_path):
    paths = paths_in(tmp_path)
    host = str(paths.socket).replace("/", "%2F")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://urfmp_app:old@{host}:5432/urfmp")
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert environment.external_addresses(paths) is None


def test_merge_environment_removes_inherited_file_variable(monkeypatch):
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/other")
    merged = environment.merge_environment({"SECRET_KEY": "ours"})
    assert merged["SECRET_KEY"] == "ours"
    assert "SECRET_KEY_FILE" not in merged


def test_shell_assignments_are_quoted():
    assert (
        environment.shell_assignments({"A": "x%2Fy:1@z", "B": "a b$c"})
        == "A=x%2Fy:1@z\nB='a b$c'\n"
    )
