"""`python3 -m urfmp.embedded.install LOCK...`: the virtual environment, before there is one.

With `--exact` an environment of another Python version is made anew; else it is used as it is,
so that whoever named a Python once need not name it again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import make_folder, read_text, write_atomically
from urfmp.embedded.system.output import Progress, say
from urfmp.embedded.system.paths import checkout_root

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_VENV_NOTE = "installed/python-version"
_OLDEST = (3, 11)


def install(checkout: Path, lock_names: Sequence[str], *, exact: bool = False) -> None:
    """Have `.venv` hold what the lock files say; nothing is done where it does already.

    What is installed is noted last, so an interrupted installation is repeated.

    Args:
        checkout: Where `.venv` and the lock files are.
        lock_names: Lock files that are installed one after the other.
        exact: Whether it has to be of the Python version that runs this.

    Raises:
        EmbeddedError: There is no venv module, or the packages cannot be fetched.
    """
    venv = checkout / ".venv"
    with _locked_folder(checkout):
        version = _version_of(venv)
        if not _fits(version, exact=exact):
            _make_venv(venv)
            version = _VERSION
        if not (venv / _VENV_NOTE).exists():
            _note(venv / _VENV_NOTE, version)
        for name in lock_names:
            lock = checkout / name
            if read_text(_stamp_file(venv, lock)) != lock_stamp(lock, version):
                _install_packages(venv, lock, version)


def lock_stamp(lock: Path, version: str) -> str:
    """Return what is noted once a lock file's packages are installed for a Python version."""
    return f"{version} {hashlib.sha256(lock.read_bytes()).hexdigest()}\n"


def _stamp_file(venv: Path, lock: Path) -> Path:
    return venv / "installed" / lock.name


def _version_of(venv: Path) -> str:
    """Return the version of an environment's Python; empty if it does not work or lacks pip."""
    noted = read_text(venv / _VENV_NOTE).strip()
    if noted and (venv / "bin/python").exists():
        return noted
    try:
        answer = subprocess.run(  # noqa: S603
            [venv / "bin/python", "-m", "pip", "--version"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    found = re.search(r"\(python (\d+\.\d+)\)", answer.stdout)
    return found[1] if found else ""


def _fits(version: str, *, exact: bool) -> bool:
    if exact or not version:
        return version == _VERSION
    return tuple(map(int, version.split("."))) >= _OLDEST


def _make_venv(venv: Path) -> None:
    say(f"making the virtual environment ({venv})")
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "venv", "--clear", venv], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        said = f"{answer.stdout}\n{answer.stderr}".strip()
        msg = f"The virtual environment could not be made:\n{said}"
        if "ensurepip" in said:
            msg = (
                f"Python {_VERSION} has no venv module here. Install it, for example: "
                f"apt-get install python{_VERSION}-venv"
            )
        raise EmbeddedError(msg)


def _install_packages(venv: Path, lock: Path, version: str) -> None:
    command = [str(venv / "bin/python"), "-m", "pip", "install"]
    command += ["--require-hashes", "-r", str(lock)]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    total = len(re.findall(r"^\S+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        _show(pip, f"installing {lock.name}", total, said)
    if pip.returncode:
        end = "\n".join(f"    {line.rstrip()}" for line in said[-8:])
        msg = (
            "The Python packages could not be installed. Check this machine's network (and proxy) "
            f"and its disk, then try again.\n{end}"
        )
        raise EmbeddedError(msg)
    _note(_stamp_file(venv, lock), lock_stamp(lock, version))


def _note(path: Path, text: str) -> None:
    make_folder(path.parent)
    write_atomically(path, text, mode=0o644)


def _show(pip: subprocess.Popen[str], step: str, total: int, said: list[str]) -> None:
    progress = Progress()
    seen = 0
    for line in pip.stdout or []:
        said.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen += 1
            progress.show(step, f"{min(seen, total)} of at most {total} packages")
        elif line.startswith("Installing collected packages"):
            progress.show("putting the packages into place")


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that installs packages here")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    try:
        names = [name for name in sys.argv[1:] if name != "--exact"]
        install(checkout_root(), names, exact="--exact" in sys.argv)
    except EmbeddedError as problem:
        say(str(problem))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        sys.exit(130)
