"""Debian packages into a folder of our own, by a private apt that leaves the system alone."""

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
from urfmp.embedded.system.processes import clean_environment, end_with_parent, run

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
_PACKAGES_FORMAT = "$(CREATED_BY)|$(TARGET_OF)|$(COMPONENT)|$(ORIGIN)|$(LABEL)|$(REPO_URI)"
_NO_NETWORK = re.compile(
    r"resolv|could not connect|unable to connect|connection (failed|timed out|refused|reset)"
    r"|network is unreachable|no route to host|timeout|proxy",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(r"no space left|enough free space|disk quota", re.IGNORECASE)
_MEGABYTE = 1_000_000

Detail = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Package:
    """One file to download, as apt announces it."""

    name: str
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class PrivateApt:
    """An apt with its own lists, cache and record of what is installed.

    What it is told is installed (`provided`), with all that only those packages need, is not
    downloaded: parts of a package's dependencies that our use of it does not touch.
    """

    folder: Path
    suite: str
    provided: tuple[str, ...]

    @property
    def archives(self) -> Path:
        """Where apt puts the packages."""
        return self.folder / "cache/archives"

    def open(self, progress: Progress) -> None:
        """Write the configuration and read the package lists of the suite.

        Raises:
            EmbeddedError: No configured repository has that suite, or none answers.
        """
        repositories = debian_repositories()
        make_folder(self.folder)
        for name in ("lists/partial", "cache/archives/partial"):
            make_folder(self.folder / name)
        self._write_configuration()
        complaint = ""
        for repository in repositories:
            self._write_source(repository)
            code, said = self._watch(
                ["update", "-o", "APT::Update::Error-Mode=any"],
                progress,
                lambda: f"{_size(self.folder / 'lists') / _MEGABYTE:.1f} MB",
                f"reading Debian's list of packages ({self.suite})",
            )
            if code == 0:
                return
            # The likeliest repository is asked first, so its answer is the one to show.
            complaint = complaint or said
        raise EmbeddedError(_explain(complaint, self.folder))

    def plan(self, packages: Sequence[str]) -> list[Package]:
        """Return what is to be downloaded for these packages and what they need.

        Raises:
            EmbeddedError: apt does not find a solution.
        """
        # Packages that are in the archives already would be left out, but have to be unpacked.
        nothing = make_folder(self.folder / "cache/empty")
        make_folder(nothing / "partial")
        options = ["-o", f"Dir::Cache::archives={nothing}", "--print-uris", "-qq", "--yes"]
        answer = self._run(["install", *options, *packages])
        if answer.returncode:
            raise EmbeddedError(_explain(f"{answer.stdout}\n{answer.stderr}", self.folder))
        return parse_uris(answer.stdout)

    def download(
        self, packages: Sequence[str], plan: Sequence[Package], progress: Progress
    ) -> None:
        """Download what is not there yet; an interrupted download goes on where it was.

        Raises:
            EmbeddedError: The network, the repository or the disk fails.
        """
        total = sum(package.size for package in plan)
        self._check_space(total)

        def detail() -> str:
            done = sum((self.archives / package.file).exists() for package in plan)
            size = min(_size(self.archives), total)
            return (
                f"{done} of {len(plan)} packages, "
                f"{size / _MEGABYTE:.1f} of {total / _MEGABYTE:.1f} MB"
            )

        command = ["install", "--download-only", "--yes", "-qq", *packages]
        code, complaint = self._watch(command, progress, detail, "downloading")
        if code:
            raise EmbeddedError(_explain(complaint, self.folder))

    def unpack(self, plan: Sequence[Package], root: Path, progress: Progress) -> None:
        """Unpack the downloaded packages into a folder, without running their scripts."""
        for number, package in enumerate(plan, start=1):
            progress.show("unpacking", f"{number} of {len(plan)} packages")
            answer = run(["dpkg", "-x", self.archives / package.file, root])
            if answer.returncode:
                raise EmbeddedError(_explain(answer.stderr, self.folder))

    def _write_configuration(self) -> None:
        provided = (
            f"Package: {name}\nStatus: install ok installed\nVersion: 9999:1\n"
            f"Architecture: {architecture()}\nMulti-Arch: foreign\nMaintainer: none\n"
            "Description: taken as installed\n"
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
        # Given with -c, the file is read after the machine's own configuration (which may hold a
        # proxy and is wanted) and can take back its hooks.
        return ["apt-get", "-c", str(self.folder / "apt.conf"), *arguments]

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return run(self._command(arguments), environment=_network_environment())

    def _watch(
        self, arguments: Sequence[str], progress: Progress, detail: Detail, step: str
    ) -> tuple[int, str]:
        complaints = self.folder / "complaints.log"
        progress.show(step, detail())
        with complaints.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603
                self._command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=clean_environment(_network_environment()),
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509
            )
            try:
                while (code := _wait(child)) is None:
                    progress.show(step, detail())
            except BaseException:
                child.terminate()
                child.wait()
                raise
        return code, read_text(complaints)

    def _check_space(self, download: int) -> None:
        # Unpacked, a package is about four times its size.
        needed = max(0, download - _size(self.archives)) + 4 * download
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            msg = (
                f"The disk of {self.folder} is full: {needed / _MEGABYTE:.0f} MB are needed, "
                f"{free / _MEGABYTE:.0f} MB are free. Free some, or set URFMP_CACHE_DIR to a "
                "folder on another disk."
            )
            raise EmbeddedError(msg)


def debian_repositories() -> list[str]:
    """Return the machine's configured repositories that may be Debian's own, the likeliest first.

    Raises:
        EmbeddedError: There is no apt, or nothing of that kind is configured.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        msg = (
            "This machine has no PostgreSQL with TimescaleDB and no Redis, and as it has no apt "
            "they cannot be fetched. Install both, or set DATABASE_URL, MIGRATION_DATABASE_URL "
            "and REDIS_URL."
        )
        raise EmbeddedError(msg)
    repositories = parse_targets(_index_targets())
    if not repositories:
        # A machine that never ran `apt-get update` has sources, but nothing that says whose.
        repositories = parse_targets(_index_targets("--no-release-info"))
    if not repositories:
        msg = (
            "apt has no Debian repository configured from which PostgreSQL with TimescaleDB could "
            "be fetched; look at /etc/apt/sources.list and /etc/apt/sources.list.d."
        )
        raise EmbeddedError(msg)
    return repositories


def parse_targets(text: str) -> list[str]:
    """Return the repositories among apt's index targets that may be Debian's main archive.

    Third parties' and the security archive are left out where the lists say who they are; where
    no list was read yet all are candidates, and the keyring refuses the wrong ones.
    """
    sure, possible = [], []
    for line in text.splitlines():
        created_by, target_of, component, origin, label, repository = line.split("|")[:6]
        if (created_by, target_of, component) != ("Packages", "deb", "main"):
            continue
        if (origin, label) == ("Debian", "Debian"):
            sure.append(repository)
        elif origin.startswith("$") or not origin:
            possible.append(repository)
    return list(dict.fromkeys(sure or sorted(possible, key=_unlikely)))


def parse_uris(text: str) -> list[Package]:
    """Return the files of `apt-get --print-uris`."""
    found = re.findall(r"^'[^']*' (\S+_\S+\.deb) (\d+) ", text, re.MULTILINE)
    return [Package(file.partition("_")[0], file, int(size)) for file, size in found]


def _index_targets(*options: str) -> str:
    return run(["apt-get", "indextargets", *options, "--format", _PACKAGES_FORMAT]).stdout


def architecture() -> str:
    """Return Debian's name of this machine's architecture, such as amd64."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def _unlikely(repository: str) -> bool:
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


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            # apt moves and removes its files while we look.
            continue
    return total


def _explain(complaint: str, folder: Path) -> str:
    lines = [line for line in complaint.splitlines() if line.startswith(("E:", "W:", "Err"))]
    detail = "\n".join(f"    {line}" for line in (lines or complaint.splitlines())[-6:])
    if _DISK_FULL.search(complaint):
        advice = (
            f"The disk of {folder} is full. Free some space, or set URFMP_CACHE_DIR to a folder "
            "on another disk, then try again."
        )
    elif _NO_NETWORK.search(complaint):
        advice = (
            "Debian's repository cannot be reached. Check this machine's network (and proxy), "
            "then try again: what was downloaded is kept."
        )
    else:
        advice = "apt could not fetch the packages from Debian's repository."
    return f"{advice}\n{detail}"
