from __future__ import annotations

import sys

from urfmp.embedded.install import install, lock_stamp


def test_lock_stamp_depends_on_lock_and_python_version(tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("nothing==1 --hash=sha256:00\n")
    noted = lock_stamp(lock, "3.11")
    assert lock_stamp(lock, "3.12") != noted
    lock.write_text("nothing==2 --hash=sha256:00\n")
    assert lock_stamp(lock, "3.11") != noted


def test_install_up_to_date_changes_nothing(tmp_path):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = tmp_path / "some.lock"
    lock.write_text("nothing==1 --hash=sha256:00\n")
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(sys.executable)
    (venv / "installed").mkdir()
    (venv / "installed/python-version").write_text(version)
    (venv / "installed/some.lock").write_text(lock_stamp(lock, version))
    install(tmp_path, ["some.lock"], exact=True)
    assert sorted(path.name for path in venv.iterdir()) == ["bin", "installed"]
