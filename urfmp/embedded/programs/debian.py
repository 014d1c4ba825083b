"""Fetch Debian packages into our own folder with a private apt configuration.

The system's packages and package lists are not changed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from urfmp.embedded.errors import EmbeddedError
from urfmp.embedded.system.files import make_folder, read_text
from urfmp.embedded.system.output import Progress
from urfmp.embedded.system.processes import clean_environment, die_with_parent, run

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
_PACKAGES_FORMAT = "$(CREATED_BY)|$(TARGET_OF)|$(COMPONENT)|$(ORIGIN)|$(LABEL)|$(REPO_URI)"
_NO_NETWORK = re.compile(
    r"resolv|could not connect|unable to connect|connection refused"
    r"|connection (failed|timed out|reset)|network is unreachable|no route to host|timeout|proxy",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(r"no space left|enough free space|disk quota", re.IGNORECASE)
_MEGABYTE = 1_000_000

Detail = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Package:
    """One file to download, as listed by apt."""

    name: str
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class PrivateApt:
    """An apt with its own lists, cache and database of installed packages.

    Packages in `provided` are declared as installed. They, and the packages that only they need,
    are not downloaded: our use of the programs does not touch them.
    """

    folder: Path
    suite: str
    provided: tuple[str, ...]

    @property
    def archives(self) -> Path:
        """Folder of the downloaded packages."""
        return self.folder / "cache/archives"

    def open(self, progress: Progress) -> None:
        """Write the configuration and download the package lists of the suite.

        Raises:
            EmbeddedError: No configured repository has that suite, or none responds.
        """
        repositories = debian_repositories()
        make_folder(self.folder)
        for name in ("lists/partial", "cache/archives/partial"):
            make_folder(self.folder / name)
        self._write_configuration()
        error_output = ""
        for repository in repositories:
            self._write_source(repository)
            code, output = self._run_with_progress(
                ["update", "-o", "APT::Update::Error-Mode=any"],
                progress,
                lambda: f"{_size_bytes(self.folder / 'lists') / _MEGABYTE:.1f} MB",
                f"reading Debian's list of packages ({self.suite})",
            )
            if code == 0:
                return
            # The most likely repository is tried first, so its error is the one to show.
            error_output = error_output or output
        raise EmbeddedError(_explain(error_output, self.folder))

    def plan(self, packages: Sequence[str]) -> list[Package]:
        """Return the packages to download, including dependencies.

        Raises:
            EmbeddedError: apt does not find a solution.
        """
        # apt would omit packages that are already in the archives, but those must be unpacked too.
        empty_archives = make_folder(self.folder / "cache/empty")
        make_folder(empty_archives / "partial")
        options = ["-o", f"Dir::Cache::archives={empty_archives}", "--print-uris", "-qq", "--yes"]
        result = self._run(["install", *options, *packages])
        if result.returncode:
            raise EmbeddedError(_explain(f"{result.stdout}\n{result.stderr}", self.folder))
        return parse_uris(result.stdout)

    def download(
        self, packages: Sequence[str], plan: Sequence[Package], progress: Progress
    ) -> None:
        """Download the missing packages, resuming an interrupted download.

        Raises:
            EmbeddedError: A network, repository or disk error occurred.
        """
        total = sum(package.size for package in plan)
        self._check_space(total)

        def detail() -> str:
            done = sum((self.archives / package.file).exists() for package in plan)
            size = min(_size_bytes(self.archives), total)
            return (
                f"{done} of {len(plan)} packages, "
                f"{size / _MEGABYTE:.1f} of {total / _MEGABYTE:.1f} MB"
            )

        command = ["install", "--download-only", "--yes", "-qq", *packages]
        code, error_output = self._run_with_progress(command, progress, detail, "downloading")
        if code:
            raise EmbeddedError(_explain(error_output, self.folder))

    def unpack(self, plan: Sequence[Package], root: Path, progress: Progress) -> None:
        """Unpack the downloaded packages into a folder without running their scripts."""
        for number, package in enumerate(plan, start=1):
            progress.show("unpacking", f"{number} of {len(plan)} packages")
            result = run(["dpkg", "-x", self.archives / package.file, root])
            if result.returncode:
                raise EmbeddedError(_explain(result.stderr, self.folder))

    def _write_configuration(self) -> None:
        provided = (
            f"Package: {name}\nStatus: install ok installed\nVersion: 9999:1\n"
            f"Architecture: {architecture()}\nMulti-Arch: foreign\nMaintainer: none\n"
            "Description: declared as installed\n"
            for name in self.provided
        )
        (self.folder / "status").write_text("\n".join(provided), encoding="utf-8")
        (self.folder / "apt.conf").write_text(
            _configuration(self.folder, architecture()), encoding="utf-8"
        )

    def _write_source(self, repository: str) -> None:
        keyring = next((path for path in _KEYRINGS if path.exists()), None)
        signed = f" signed-by={keyring}" if keyring else ""
        line = f"deb [target=Packages{signed}] {repository} {self.suite} main\n"
        (self.folder / "sources.list").write_text(line, encoding="utf-8")

    def _command(self, arguments: Sequence[str]) -> list[str]:
        # A file given with -c is read after the machine's own configuration. It keeps settings such
        # as a proxy and can clear the hooks.
        return ["apt-get", "-c", str(self.folder / "apt.conf"), *arguments]

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return run(self._command(arguments), environment=_network_environment())

    def _run_with_progress(
        self, arguments: Sequence[str], progress: Progress, detail: Detail, step: str
    ) -> tuple[int, str]:
        error_log = self.folder / "errors.log"
        progress.show(step, detail())
        with error_log.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603
                self._command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=clean_environment(_network_environment()),
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509
            )
            try:
                while (code := _wait(child)) is None:
                    progress.show(step, detail())
            except BaseException:
                child.terminate()
                child.wait()
                raise
        return code, read_text(error_log)

    def _check_space(self, download: int) -> None:
        # An unpacked package is about four times its download size.
        needed = max(0, download - _size_bytes(self.archives)) + 4 * download
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            msg = (
                f"The disk of {self.folder} is full: {needed / _MEGABYTE:.0f} MB needed, "
                f"{free / _MEGABYTE:.0f} MB free. Free some space, or set URFMP_CACHE_DIR to a "
                "folder on another disk."
            )
            raise EmbeddedError(msg)


def debian_repositories() -> list[str]:
    """Return configured repositories that may be Debian's, most likely first.

    Raises:
        EmbeddedError: apt is missing, or no such repository is configured.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        msg = (
            "This machine lacks PostgreSQL with TimescaleDB, Redis or Caddy. Without apt they "
            "cannot be fetched. Install them; instead of the first two you may set DATABASE_URL, "
            "MIGRATION_DATABASE_URL and REDIS_URL."
        )
        raise EmbeddedError(msg)
    repositories = parse_targets(_index_targets())
    if not repositories:
        # Before the first `apt-get update` a machine has sources, but no release files that name
        # their origin.
        repositories = parse_targets(_index_targets("--no-release-info"))
    if not repositories:
        msg = (
            "apt has no Debian repository configured to fetch programs from; check "
            "/etc/apt/sources.list and /etc/apt/sources.list.d."
        )
        raise EmbeddedError(msg)
    return repositories


def parse_targets(text: str) -> list[str]:
    """Return the repositories that may be Debian's main archive.

    The input is apt's index targets. Third-party repositories and the security archive are excluded
    if the lists name their origin. Without lists every repository is a candidate, and the keyring
    rejects the wrong ones.
    """
    confirmed, candidates = [], []
    for line in text.splitlines():
        created_by, target_of, component, origin, label, repository = line.split("|")[:6]
        if (created_by, target_of, component) != ("Packages", "deb", "main"):
            continue
        if (origin, label) == ("Debian", "Debian"):
            confirmed.append(repository)
        elif origin.startswith("$") or not origin:
            candidates.append(repository)
    return list(dict.fromkeys(confirmed or sorted(candidates, key=_is_less_likely)))


def parse_uris(text: str) -> list[Package]:
    """Return the packages listed by `apt-get --print-uris`."""
    found = re.findall(r"^'[^']*' (\S+_\S+\.deb) (\d+) ", text, re.MULTILINE)
    return [Package(file.partition("_")[0], file, int(size)) for file, size in found]


def _index_targets(*options: str) -> str:
    return run(["apt-get", "indextargets", *options, "--format", _PACKAGES_FORMAT]).stdout


def architecture() -> str:
    """Return Debian's name of this machine's architecture, such as amd64."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def _is_less_likely(repository: str) -> bool:
    return not repository.rstrip("/").endswith("/debian")


def _configuration(folder: Path, arch: str) -> str:
    return f"""
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::State::extended_states "{folder}/extended_states";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "{folder}/cache/archives";
Dir::Log "{folder}";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Default-Release "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


def _network_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def _wait(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(timeout=0.3)
    except subprocess.TimeoutExpired:
        return None


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            # apt moves and removes its files during the walk.
            continue
    return total


def _explain(error_output: str, folder: Path) -> str:
    lines = [line for line in error_output.splitlines() if line.startswith(("E:", "W:", "Err"))]
    detail = "\n".join(f"    {line}" for line in (lines or error_output.splitlines())[-6:])
    if _DISK_FULL.search(error_output):
        advice = (
            f"The disk of {folder} is full. Free some space, or set URFMP_CACHE_DIR to a folder "
            "on another disk, then try again."
        )
    elif _NO_NETWORK.search(error_output):
        advice = (
            "Debian's repository cannot be reached. Check this machine's network (and proxy), "
            "then try again. Completed downloads are kept."
        )
    else:
        advice = "apt could not fetch the packages from Debian's repository."
    return f"{advice}\n{detail}"
