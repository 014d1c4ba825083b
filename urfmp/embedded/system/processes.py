"""Processes: run one to its end, start one that outlives us, find and stop those that are ours."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that servers run as when we are root."""

    uid: int
    gid: int
    name: str


def server_account(folder: Path) -> Account | None:
    """Return the account to start servers as; None where they run as ourselves.

    An existing folder keeps its owner: an account `postgres` that appears later (with a system
    package) cannot read what `nobody` made.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid):
        return _account(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    msg = "PostgreSQL does not run as root, and there is no account postgres or nobody."
    raise EmbeddedError(msg)


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def own(path: Path, account: Account | None) -> None:
    """Give a file or folder to the account that the servers run as."""
    if account:
        os.chown(path, account.uid, account.gid)


def own_folder(path: Path, account: Account | None) -> Path:
    """Make a folder that only the servers' account may enter.

    Raises:
        EmbeddedError: It is there already and is someone else's.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    expected = account.uid if account else os.geteuid()
    found = path.lstat()
    if path.is_symlink() or found.st_uid not in {expected, os.geteuid()}:
        msg = f"{path} belongs to someone else; remove it, or set URFMP_STATE_DIR to a short path."
        raise EmbeddedError(msg)
    own(path, account)
    path.chmod(0o700)
    return path


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return what makes a child get this signal when its parent ends in any way.

    For `preexec_fn`. The child starts with default signal handling: what was ignored (by nohup,
    or by a script for its background jobs) would be inherited.
    """
    parent = os.getpid()

    def prepare() -> None:
        for inherited in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(inherited, signal.SIG_DFL)
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        # The parent may have been killed before the line above.
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def check_reachable(account: Account | None, folders: Sequence[Path]) -> None:
    """Make sure that the servers' account may enter these folders.

    Raises:
        EmbeddedError: It may not.
    """
    for folder in folders if account else ():
        if account and run(["test", "-x", folder], account=account).returncode:
            msg = (
                f"The servers run as {account.name}, who cannot enter {folder}. Set "
                "URFMP_STATE_DIR and URFMP_CACHE_DIR to folders that everyone may pass through."
            )
            raise EmbeddedError(msg)


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its output; its exit code is the caller's business.

    If we are killed it is killed, so that it does not get in the way of the next attempt.

    Raises:
        EmbeddedError: There is no such program.
    """
    try:
        return subprocess.run(  # noqa: S603  (every command is ours, none goes through a shell)
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=clean_environment(environment),
            cwd=cwd,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # We have one thread, so running Python between fork and exec is safe.
            preexec_fn=end_with_parent(signal.SIGKILL),
        )
    except FileNotFoundError as error:
        msg = f"{command[0]} is missing on this machine."
        raise EmbeddedError(msg) from error


def start_daemon(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that neither our end nor Ctrl-C reaches it."""
    with log.open("wb") as output:
        own(log, account)
        return subprocess.Popen(  # noqa: S603
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=clean_environment(environment),
            cwd=cwd,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without PGHOST, LC_ALL and the like, which would change a server."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose working folder is exactly this one.

    A server works in its data folder, so this finds ours and what it left behind, and never
    takes another program for it that was given the same number.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            here = (entry / "cwd").readlink() == folder
        except OSError:
            continue
        if here and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def works_in(pid: int | None, folder: Path) -> bool:
    """Tell whether a process runs and its working folder is this one."""
    if pid is None:
        return False
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder and alive(pid)
    except OSError:
        return False


def stop(pids: Sequence[int], signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn to those still running, waiting the given seconds after it.

    Returns:
        Whether all of them have ended.
    """
    left = list(pids)
    for number, seconds in signals:
        for pid in left:
            send(pid, number)
        deadline = time.monotonic() + seconds
        while (left := [pid for pid in left if not _ended(pid)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not left:
            return True
    return not left


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _ended(pid: int) -> bool:
    # A server that this very process started stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not alive(pid)
