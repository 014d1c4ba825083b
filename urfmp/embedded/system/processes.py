"""Run commands, start daemons, and find and stop our own processes."""

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
_SERVER_ACCOUNTS = ("postgres", "nobody")
_INHERITED_VARIABLES = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class UnixAccount:
    """The unprivileged account of the servers when started by root."""

    uid: int
    gid: int
    name: str


def server_account(folder: Path) -> UnixAccount | None:
    """Return the servers' account, or None to run as ourselves.

    An existing folder keeps its owner. An account `postgres` created later, by a system package,
    could not read the data of the earlier owner.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid):
        return _unix_account(pwd.getpwuid(owner))
    for name in _SERVER_ACCOUNTS:
        try:
            return _unix_account(pwd.getpwnam(name))
        except KeyError:
            continue
    names = " or ".join(_SERVER_ACCOUNTS)
    msg = f"PostgreSQL cannot run as root, and there is no account {names}."
    raise EmbeddedError(msg)


def _unix_account(entry: pwd.struct_passwd) -> UnixAccount:
    return UnixAccount(entry.pw_uid, entry.pw_gid, entry.pw_name)


def chown_to(path: Path, account: UnixAccount | None) -> None:
    """Change the owner of a file or folder to the servers' account."""
    if account:
        os.chown(path, account.uid, account.gid)


def make_private_folder(path: Path, account: UnixAccount | None) -> Path:
    """Create a folder that only the servers' account can enter.

    Raises:
        EmbeddedError: The folder exists and belongs to another user.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    expected = account.uid if account else os.geteuid()
    found = path.lstat()
    if path.is_symlink() or found.st_uid not in {expected, os.geteuid()}:
        msg = f"{path} belongs to another user; remove it, or set URFMP_STATE_DIR to a short path."
        raise EmbeddedError(msg)
    chown_to(path, account)
    path.chmod(0o700)
    return path


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that signals the child when its parent dies.

    The child starts with default signal handling. Signals ignored by the parent (under nohup, or in
    a script's background job) would otherwise be inherited as ignored.
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


def check_folder_access(account: UnixAccount | None, folders: Sequence[Path]) -> None:
    """Check that the servers' account can enter these folders.

    Raises:
        EmbeddedError: The account cannot enter one of them.
    """
    for folder in folders if account else ():
        if account and run(["test", "-x", folder], account=account).returncode:
            msg = (
                f"The servers run as {account.name}, which cannot enter {folder}. Set "
                "URFMP_STATE_DIR and URFMP_CACHE_DIR to folders that every account can enter."
            )
            raise EmbeddedError(msg)


def run(
    command: Sequence[str | Path],
    *,
    account: UnixAccount | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its output and exit code.

    The command is killed if this process is killed, so that it does not block the next attempt. A
    non-zero exit code is not an error here; the caller checks it.

    Raises:
        EmbeddedError: The program does not exist.
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
            # This process has one thread, so running Python between fork and exec is safe.
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    except FileNotFoundError as error:
        msg = f"{command[0]} is missing on this machine."
        raise EmbeddedError(msg) from error


def start_daemon(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    account: UnixAccount | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, away from our Ctrl-C.

    It also survives the end of this process.
    """
    with log.open("wb") as output:
        chown_to(log, account)
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
    """Return an environment without variables that affect a server, such as PGHOST."""
    kept = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def is_running(pid: int) -> bool:
    """Return whether a process runs. A zombie does not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is exactly this folder.

    A server's working directory is its data folder. This finds our servers and their orphans, and
    never another program that was assigned the same process id.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            here = (entry / "cwd").readlink() == folder
        except OSError:
            continue
        if here and is_running(int(entry.name)):
            found.append(int(entry.name))
    return found


def is_running_in(pid: int | None, folder: Path) -> bool:
    """Return whether a process runs with this working directory."""
    if pid is None:
        return False
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder and is_running(pid)
    except OSError:
        return False


def stop_processes(pids: Sequence[int], signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn to the remaining processes, waiting after each.

    Args:
        pids: Process ids.
        signals: Signals, each with the seconds to wait after it.

    Returns:
        Whether all processes have exited.
    """
    left = list(pids)
    for number, seconds in signals:
        for pid in left:
            send_signal(pid, number)
        deadline = time.monotonic() + seconds
        while (
            left := [pid for pid in left if not _has_exited(pid)]
        ) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not left:
            return True
    return not left


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may already have exited."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _has_exited(pid: int) -> bool:
    # A server started by this process stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not is_running(pid)
