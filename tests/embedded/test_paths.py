from __future__ import annotations

import os
from pathlib import Path

import pytest

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.paths import checkout_key, find_install_paths, socket_folder


def test_checkout_key_differs_by_path():
    first, second = checkout_key(Path("/a/urfmp")), checkout_key(Path("/b/urfmp"))
    assert first != second
    assert first.startswith("urfmp-")
    assert first == checkout_key(Path("/a/urfmp"))


def test_install_paths_read_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("URFMP_STATE_DIR", str(tmp_path / "s"))
    monkeypatch.setenv("URFMP_CACHE_DIR", str(tmp_path / "c"))
    paths = find_install_paths()
    assert (paths.state, paths.cache) == (tmp_path / "s", tmp_path / "c")
    monkeypatch.setenv("URFMP_STATE_DIR", "relative")
    with pytest.raises(EmbeddedError, match="absolute"):
        find_install_paths()


def test_install_paths_of_unprivileged_user_follow_xdg(monkeypatch):
    monkeypatch.delenv("URFMP_STATE_DIR", raising=False)
    monkeypatch.delenv("URFMP_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    paths = find_install_paths(Path("/src/urfmp"))
    assert paths.state == Path("/home/me/state/urfmp") / checkout_key(Path("/src/urfmp"))
    assert paths.cache == Path("/home/me/.cache/urfmp")


@pytest.mark.parametrize("length", [10, 80, 200])
def test_socket_folder_path_fits_kernel_limit(length):
    folder = socket_folder(Path("/") / ("x" * length))
    assert len(str(folder / ".s.PGSQL.5432")) <= 107
