"""Locate the state of one checkout and the cache of all."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import make_folder, write_atomically

# sun_path holds 108 bytes, including the terminating NUL.
_MAX_SOCKET_PATH_BYTES = 107
_SOCKET_FILE = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class InstallPaths:
    """Folders of one checkout."""

    checkout: Path
    state: Path
    cache: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder.

        Like `redis` and `socket` it belongs to the servers' account.
        """
        return self.state / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's folder."""
        return self.state / "redis"

    @property
    def socket(self) -> Path:
        """Folder of PostgreSQL's socket."""
        return socket_folder(self.state)

    @property
    def logs(self) -> Path:
        """Folder of the logs of the demo's processes."""
        return self.state / "logs"

    @property
    def mail(self) -> Path:
        """Folder of the demo's outgoing e-mail. Its files contain login links."""
        return self.state / "mail"

    @property
    def credentials(self) -> Path:
        """File with the demo's passwords and device keys."""
        return self.state / "credentials.json"

    def create(self) -> None:
        """Create the state folder and record which checkout it belongs to.

        The modification time of the `checkout` file is the time of the last use.
        """
        make_folder(self.state)
        write_atomically(self.state / "checkout", f"{self.checkout}\n", mode=0o644)


def checkout_root() -> Path:
    """Return the real path of the checkout that contains this module."""
    return Path(__file__).resolve().parents[3]


def checkout_key(checkout: Path) -> str:
    """Return a short, readable name that is unique for each path."""
    slug = re.sub(r"[^a-z0-9]+", "-", checkout.name.lower()).strip("-")[:16] or "checkout"
    return f"{slug}-{hashlib.sha256(os.fsencode(checkout)).hexdigest()[:10]}"


def find_install_paths(checkout: Path | None = None) -> InstallPaths:
    """Return a checkout's folders for the current user and environment.

    Raises:
        EmbeddedError: A folder given in the environment is not absolute.
    """
    checkout = checkout or checkout_root()
    state = _path_from_environment("URFMP_STATE_DIR") or state_base() / checkout_key(checkout)
    return InstallPaths(checkout, state, _path_from_environment("URFMP_CACHE_DIR") or _cache_base())


def state_base() -> Path:
    """Return the folder with the state of all of this user's checkouts."""
    if os.geteuid() == 0:
        return Path("/var/lib/urfmp")
    return _home_folder("XDG_STATE_HOME", ".local/state") / "urfmp"


def socket_folder(state: Path) -> Path:
    """Return a socket folder with a path short enough for the kernel."""
    folder = state / "socket"
    if len(os.fsencode(folder / _SOCKET_FILE)) <= _MAX_SOCKET_PATH_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
    # Any user can create this path first; starting the server checks that we own it.
    return Path("/tmp") / f"urfmp-{os.geteuid()}-{digest}"  # noqa: S108


def _cache_base() -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache/urfmp")
    return _home_folder("XDG_CACHE_HOME", ".cache") / "urfmp"


def _home_folder(variable: str, default: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / default


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    if not value.startswith("/"):
        msg = f"{variable} must be an absolute path, not {value!r}."
        raise EmbeddedError(msg)
    return Path(os.path.realpath(value))
