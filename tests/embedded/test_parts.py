from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from urfmp.embedded import environment
from urfmp.embedded.demo.listen_addresses import Addresses, choose_addresses
from urfmp.embedded.demo.static_files import collected, note_collected
from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.install import install, lock_stamp
from urfmp.embedded.programs.debian import Package, parse_targets, parse_uris
from urfmp.embedded.servers import services
from urfmp.embedded.servers.cluster import settings
from urfmp.embedded.system import paths
from urfmp.embedded.system.files import locked, try_lock, write_atomically
from urfmp.embedded.system.paths import Places, checkout_key, find_places, socket_folder
from urfmp.embedded.system.ports import free_port, is_free
from urfmp.embedded.system.supervisor import describe_exit

GIGABYTE = 1024**3


def places_in(folder: Path) -> Places:
    return Places(folder / "checkout", folder / "state", folder / "cache")


def test_checkouts_have_different_keys():
    first, second = checkout_key(Path("/a/urfmp")), checkout_key(Path("/b/urfmp"))
    assert first != second
    assert first.startswith("urfmp-")
    assert first == checkout_key(Path("/a/urfmp"))


def test_folders_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("URFMP_STATE_DIR", str(tmp_path / "s"))
    monkeypatch.setenv("URFMP_CACHE_DIR", str(tmp_path / "c"))
    places = find_places()
    assert (places.state, places.cache) == (tmp_path / "s", tmp_path / "c")
    monkeypatch.setenv("URFMP_STATE_DIR", "relative")
    with pytest.raises(EmbeddedError, match="absolute"):
        find_places()


def test_folders_of_an_ordinary_user(monkeypatch):
    monkeypatch.delenv("URFMP_STATE_DIR", raising=False)
    monkeypatch.delenv("URFMP_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    places = find_places(Path("/src/urfmp"))
    assert places.state == Path("/home/me/state/urfmp") / checkout_key(Path("/src/urfmp"))
    assert places.cache == Path("/home/me/.cache/urfmp")


@pytest.mark.parametrize("length", [10, 80, 200])
def test_socket_path_fits_the_kernel(length):
    folder = socket_folder(Path("/") / ("x" * length))
    assert len(str(folder / ".s.PGSQL.5432")) <= 107


def test_debian_is_chosen_among_several_sources():
    text = "\n".join(
        [
            "Packages|deb|main|Debian|Debian-Security|http://one.example/debian-security/",
            "Packages|deb|main|Node Source|Node Source|http://two.example/",
            "Packages|deb|contrib|Debian|Debian|http://three.example/debian/",
            "Packages|deb|main|Debian|Debian|http://three.example/debian/",
            "Packages|deb|main|Debian|Debian|http://three.example/debian/",
            "Translations|deb|main|Debian|Debian|http://four.example/debian/",
        ]
    )
    assert parse_targets(text) == ["http://three.example/debian/"]


def test_sources_without_lists_are_candidates():
    text = "\n".join(
        [
            "Packages|deb|main|$(ORIGIN)|$(LABEL)|http://one.example/other/",
            "Packages|deb|main|$(ORIGIN)|$(LABEL)|http://two.example/debian/",
        ]
    )
    assert parse_targets(text) == ["http://two.example/debian/", "http://one.example/other/"]


def test_packages_to_download():
    text = "'http://x.example/a.deb' libc6_2.41-12%3a1_amd64.deb 2846580 SHA256:ab\nnoise\n"
    assert parse_uris(text) == [Package("libc6", "libc6_2.41-12%3a1_amd64.deb", 2846580)]


@pytest.mark.parametrize(
    ("memory", "buffers"), [(GIGABYTE // 2, 128), (4 * GIGABYTE, 512), (64 * GIGABYTE, 1024)]
)
def test_shared_buffers_follow_the_memory(memory, buffers):
    text = settings(Path("/s"), memory, 2)
    assert f"shared_buffers = {buffers}MB" in text
    assert "synchronous_commit = on" in text


def test_given_addresses_win(monkeypatch, tmp_path):
    given = {
        "DATABASE_URL": "postgresql://app@db/urfmp",
        "MIGRATION_DATABASE_URL": "postgresql://owner@db/urfmp",
        "REDIS_URL": "redis://cache/0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    places = places_in(tmp_path)
    assert environment.given_addresses(places) == given
    completed = environment.external_environment(places, given)
    assert completed["DATABASE_URL"] == given["DATABASE_URL"]
    assert len(completed["SECRET_KEY"]) >= 50
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(EmbeddedError, match="not REDIS_URL"):
        environment.given_addresses(places)


def test_our_own_addresses_in_a_shell_are_not_somebody_elses(monkeypatch, tmp_path):
    places = places_in(tmp_path)
    host = str(places.socket).replace("/", "%2F")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://urfmp_app:old@{host}:5432/urfmp")
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert environment.given_addresses(places) is None


def test_nothing_inherited_overrules_ours(monkeypatch):
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/other")
    merged = environment.merged({"SECRET_KEY": "ours"})
    assert merged["SECRET_KEY"] == "ours"
    assert "SECRET_KEY_FILE" not in merged


def test_shell_lines_are_quoted():
    assert environment.shell_lines({"A": "x%2Fy:1@z", "B": "a b$c"}) == "A=x%2Fy:1@z\nB='a b$c'\n"


def test_lock_is_held_and_freed(tmp_path):
    with locked(tmp_path / "lock", "nobody"):
        assert try_lock(tmp_path / "lock") is None
    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    os.close(descriptor)


def test_atomic_write_leaves_nothing_else(tmp_path):
    write_atomically(tmp_path / "file", "one")
    write_atomically(tmp_path / "file", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "two"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_ports():
    port = free_port()
    assert is_free(port)


def test_wanted_port_that_is_taken_is_an_error(monkeypatch):
    monkeypatch.setattr("urfmp.embedded.demo.listen_addresses.is_free", lambda *_: False)
    with pytest.raises(EmbeddedError, match="PORT="):
        choose_addresses("127.0.0.1", 8123)


def test_addresses_for_other_machines(monkeypatch):
    for name in ("WEB_ORIGIN", "LIVE_ORIGIN", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    addresses = Addresses("0.0.0.0", "192.0.2.7", 8000, 8001)
    variables = addresses.environment()
    assert variables["WEB_ORIGIN"] == "http://192.0.2.7:8000"
    assert "192.0.2.7" in variables["ALLOWED_HOSTS"].split(",")
    assert "0.0.0.0" not in variables["ALLOWED_HOSTS"].split(",")
    assert addresses.live_inside == "http://127.0.0.1:8001"


def test_exit_codes_in_words():
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "killed by SIGKILL"


def test_static_files_are_collected_again_when_they_change(tmp_path):
    source = tmp_path / "apps/robots/static/a.css"
    source.parent.mkdir(parents=True)
    source.write_text("a")
    static = tmp_path / "collected"
    static.mkdir()
    assert not collected(tmp_path, static)
    note_collected(tmp_path, static)
    assert collected(tmp_path, static)
    source.write_text("changed")
    assert not collected(tmp_path, static)


def test_state_of_vanished_checkouts_is_removed(monkeypatch, tmp_path):
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
    services.prune(Places(tmp_path, tmp_path / "mine", tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "recent"]


def test_state_given_by_hand_prunes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(services, "state_base", lambda: tmp_path / "base")
    services.prune(Places(tmp_path, tmp_path / "elsewhere", tmp_path))
    assert paths.state_base().is_absolute()


def test_installed_packages_are_noted_for_lock_and_python(tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("nothing==1 --hash=sha256:00\n")
    noted = lock_stamp(lock, "3.11")
    assert lock_stamp(lock, "3.12") != noted
    lock.write_text("nothing==2 --hash=sha256:00\n")
    assert lock_stamp(lock, "3.11") != noted


def test_nothing_is_installed_where_all_is_there(tmp_path):
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
