from __future__ import annotations

import os
import time

from urfmp.embedded.servers import services
from urfmp.embedded.system.paths import InstallPaths, state_base


def test_prune_removes_state_of_deleted_checkouts(monkeypatch, tmp_path):
    monkeypatch.setattr(services, "state_base", lambda: tmp_path)
    week = time.time() - 8 * 24 * 3600
    for name, checkout, age in (
        ("mine", tmp_path, week),
        ("gone", tmp_path / "gone-checkout", week),
        ("recent", tmp_path / "gone-too", time.time()),
    ):
        (tmp_path / name).mkdir()
        note = tmp_path / name / "checkout"
        note.write_text(f"{checkout}\n")
        os.utime(note, (age, age))
    services.prune(InstallPaths(tmp_path, tmp_path / "mine", tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "recent"]


def test_prune_explicit_state_folder_removes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(services, "state_base", lambda: tmp_path / "base")
    services.prune(InstallPaths(tmp_path, tmp_path / "elsewhere", tmp_path))
    assert state_base().is_absolute()
