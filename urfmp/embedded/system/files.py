"""Files and file locks."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urfmp.embedded.system.output import log_message


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file so that no reader sees partial content.

    The content is synced before the rename, so this also holds after a power failure.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """Return a file's text, or "" if the file does not exist."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log, indented for a message."""
    with_text = [line for line in read_text(path).splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in with_text[-lines:])


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Create a folder with exactly this mode, regardless of the umask."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    return path


def remove_tree(path: Path) -> None:
    """Remove a folder, file or symbolic link if it exists."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Try to lock a file; return its descriptor, None if locked.

    Closing the descriptor releases the lock. The kernel also releases it when the process exits in
    any way, so a lock is never stale.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def file_lock(path: Path, waiting_for: str) -> Iterator[None]:
    """Acquire an exclusive lock for a block, logging any wait.

    Args:
        path: Lock file; created if missing.
        waiting_for: Owner of the lock, as named in the message "waiting for ...".
    """
    descriptor = try_lock(path)
    if descriptor is None:
        log_message(f"waiting for {waiting_for}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)
