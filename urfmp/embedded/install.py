"""Create the virtual environment and install the locked packages into it.

Run as `python3 -m urfmp.embedded.install LOCK...`, before a virtual environment exists. `--exact`
recreates an environment of another Python version. Without it that environment is kept, so a Python
version chosen once need not be named again.
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
from urfmp.embedded.system.output import Progress, log_message
from urfmp.embedded.system.paths import checkout_root

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_VERSION_STAMP = "installed/python-version"
_MIN_VERSION = (3, 11)


def install(checkout: Path, lock_names: Sequence[str], *, exact: bool = False) -> None:
    """Install the packages of the lock files into `.venv` unless already installed.

    The stamp file of a lock is written last, so an interrupted installation is repeated.

    Args:
        checkout: Folder that holds `.venv` and the lock files.
        lock_names: Lock files to install, in this order.
        exact: Whether `.venv` must have the Python version that runs this code.

    Raises:
        EmbeddedError: The venv module is missing, or the packages cannot be fetched.
    """
    venv = checkout / ".venv"
    with _locked_folder(checkout):
        version = _version_of(venv)
        if not _is_compatible(version, exact=exact):
            _make_venv(venv)
            version = _VERSION
        if not (venv / _VERSION_STAMP).exists():
            _write_stamp(venv / _VERSION_STAMP, version)
        for name in lock_names:
            lock = checkout / name
            if read_text(_stamp_file(venv, lock)) != lock_stamp(lock, version):
                _install_packages(venv, lock, version)


def lock_stamp(lock: Path, version: str) -> str:
    """Return the stamp of an installed lock: Python version and hash."""
    return f"{version} {hashlib.sha256(lock.read_bytes()).hexdigest()}\n"


def _stamp_file(venv: Path, lock: Path) -> Path:
    return venv / "installed" / lock.name


def _version_of(venv: Path) -> str:
    """Return the Python version of an environment, "" if unusable.

    An environment is unusable if its Python does not run or has no pip.
    """
    noted = read_text(venv / _VERSION_STAMP).strip()
    if noted and (venv / "bin/python").exists():
        return noted
    try:
        result = subprocess.run(  # noqa: S603
            [venv / "bin/python", "-m", "pip", "--version"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    found = re.search(r"\(python (\d+\.\d+)\)", result.stdout)
    return found[1] if found else ""


def _is_compatible(version: str, *, exact: bool) -> bool:
    if exact or not version:
        return version == _VERSION
    return tuple(map(int, version.split("."))) >= _MIN_VERSION


def _make_venv(venv: Path) -> None:
    log_message(f"creating the virtual environment ({venv})")
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "venv", "--clear", venv], capture_output=True, text=True, check=False
    )
    if result.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        output = f"{result.stdout}\n{result.stderr}".strip()
        msg = f"The virtual environment could not be created:\n{output}"
        if "ensurepip" in output:
            msg = (
                f"Python {_VERSION} has no venv module on this machine. Install it, for example: "
                f"apt-get install python{_VERSION}-venv"
            )
        raise EmbeddedError(msg)


def _install_packages(venv: Path, lock: Path, version: str) -> None:
    command = [str(venv / "bin/python"), "-m", "pip", "install"]
    command += ["--require-hashes", "-r", str(lock)]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    total = len(re.findall(r"^\S+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    output: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        _report_progress(pip, f"installing {lock.name}", total, output)
    if pip.returncode:
        end = "\n".join(f"    {line.rstrip()}" for line in output[-8:])
        msg = (
            "The Python packages could not be installed. Check this machine's network (and proxy) "
            f"and its disk, then try again.\n{end}"
        )
        raise EmbeddedError(msg)
    _write_stamp(_stamp_file(venv, lock), lock_stamp(lock, version))


def _write_stamp(path: Path, text: str) -> None:
    make_folder(path.parent)
    write_atomically(path, text, mode=0o644)


def _report_progress(pip: subprocess.Popen[str], step: str, total: int, output: list[str]) -> None:
    progress = Progress()
    seen = 0
    for line in pip.stdout or []:
        output.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen += 1
            progress.show(step, f"{min(seen, total)} of at most {total} packages")
        elif line.startswith("Installing collected packages"):
            progress.show("installing the downloaded packages")


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log_message("waiting for another process that is installing packages here")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    try:
        names = [name for name in sys.argv[1:] if name != "--exact"]
        install(checkout_root(), names, exact="--exact" in sys.argv)
    except EmbeddedError as problem:
        log_message(str(problem))
        sys.exit(1)
    except KeyboardInterrupt:
        log_message("interrupted; run the same command again to continue")
        sys.exit(130)
