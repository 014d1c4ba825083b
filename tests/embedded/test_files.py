from __future__ import annotations

import os

from urfmp.embedded.system.files import file_lock, try_lock, write_atomically


def test_file_lock_is_exclusive_and_released(tmp_path):
    with file_lock(tmp_path / "lock", "no other process"):
        assert try_lock(tmp_path / "lock") is None
    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    os.close(descriptor)


def test_write_atomically_leaves_no_other_file(tmp_path):
    write_atomically(tmp_path / "file", "one")
    write_atomically(tmp_path / "file", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "two"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
