"""Where things live: state belongs to one checkout, the cache to everything on the machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import make_folder, write_atomically

# sun_path holds 108 bytes with its end mark.
_SOCKET_PATH_LIMIT = 107
_SOCKET_FILE = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one checkout."""

    checkout: Path
    state: Path
    cache: Path

    @property
    def postgres(self) -> Path:
        """Belongs to the account that the server runs as, like `redis` and `socket`."""
        return self.state / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's folder."""
        return self.state / "redis"

    @property
    def socket(self) -> Path:
        """The folder of PostgreSQL's socket."""
        return socket_folder(self.state)

    @property
    def logs(self) -> Path:
        """What the demo's processes say."""
        return self.state / "logs"

    @property
    def mail(self) -> Path:
        """E-mail that the demo would send, as files. Links in it let people in."""
        return self.state / "mail"

    @property
    def credentials(self) -> Path:
        """The demo's sign-ins and device keys."""
        return self.state / "credentials.json"

    def make(self) -> None:
        """Make the state folder and note whose it is; the note's date is that of the last use."""
        make_folder(self.state)
        write_atomically(self.state / "checkout", f"{self.checkout}\n", mode=0o644)


def checkout_root() -> Path:
    """Return the real path of the checkout that this module was imported from."""
    return Path(__file__).resolve().parents[3]


def checkout_key(checkout: Path) -> str:
    """Return a short name that is readable and different for every path."""
    slug = re.sub(r"[^a-z0-9]+", "-", checkout.name.lower()).strip("-")[:16] or "checkout"
    return f"{slug}-{hashlib.sha256(os.fsencode(checkout)).hexdigest()[:10]}"


def find_places(checkout: Path | None = None) -> Places:
    """Return the folders of a checkout as the user and the environment decide them.

    Raises:
        EmbeddedError: A folder given in the environment is not absolute.
    """
    checkout = checkout or checkout_root()
    state = _given("URFMP_STATE_DIR") or state_base() / checkout_key(checkout)
    return Places(checkout, state, _given("URFMP_CACHE_DIR") or _cache_base())


def state_base() -> Path:
    """Return the folder in which each checkout of this user has its own."""
    if os.geteuid() == 0:
        return Path("/var/lib/urfmp")
    return _home_folder("XDG_STATE_HOME", ".local/state") / "urfmp"


def socket_folder(state: Path) -> Path:
    """Return a folder for PostgreSQL's socket whose path is short enough for the kernel."""
    folder = state / "socket"
    if len(os.fsencode(folder / _SOCKET_FILE)) <= _SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
    # Whoever makes it first owns it: starting the server checks that this is us.
    return Path("/tmp") / f"urfmp-{os.geteuid()}-{digest}"  # noqa: S108


def _cache_base() -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache/urfmp")
    return _home_folder("XDG_CACHE_HOME", ".cache") / "urfmp"


def _home_folder(variable: str, default: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / default


def _given(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    if not value.startswith("/"):
        msg = f"{variable} must be an absolute path, not {value!r}."
        raise EmbeddedError(msg)
    return Path(os.path.realpath(value))
