"""The layers of the code as data, and the checks that hold every module to them.

Each check takes modules as a mapping of path to source, so that tests can add a module that
breaks a rule, and returns one sentence for each offence.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

# Lowest first: a package imports its own layer and those below it.
LAYERS = (
    {"urfmp", "urfmp.env", "urfmp.embedded", "examples"},
    {"urfmp.common", "urfmp.db"},
    {"apps", "apps.audit"},
    {"apps.accounts"},
    {"apps.organizations"},
    {"apps.robots"},
    {"apps.telemetry"},
    {"apps.maintenance"},
    {"apps.alerts"},
    {"urfmp.servers", "urfmp.live", "urfmp.pages", "urfmp.demo"},
    {"urfmp.api_settings", "urfmp.settings", "urfmp.urls", "urfmp.wsgi"},
)
# The rooms of an app, lowest first: a module imports its own room and those below it.
ROOMS = (
    {"choices", "exceptions"},
    {"querysets"},
    {"permissions"},
    {"models"},
    {"selectors"},
    {"throttling"},
    {"protocols"},
    {"services"},
    {"auth"},
    {"middleware"},
    {"tasks"},
    {"admin", "api"},
    {"management", "apps", "migrations"},
)
# Rooms that present: another app's may be imported by presenting rooms alone.
PRESENTING = {"admin", "api", "management"}
HTTP = ("django.http", "rest_framework", "apps.accounts.auth.requests")
MAX_MODULES_IN_A_FOLDER = 16

Modules = Mapping[str, str]


@dataclass(frozen=True)
class Module:
    """A module by its dotted name and the dotted names that it imports, wherever in it."""

    path: str
    name: str
    imports: frozenset[str]

    @property
    def room(self) -> str | None:
        """The room of an app's module; None outside of apps and for an app's package itself."""
        parts = self.name.split(".")
        return parts[2] if parts[0] == "apps" and len(parts) > 2 else None


def source_modules() -> dict[str, str]:
    """Return every module under apps, urfmp and examples as path and source."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in ("apps", "urfmp", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def parse(modules: Modules) -> dict[str, Module]:
    """Return modules by dotted name; a package goes by its folder's name."""
    names = {path: _dotted(path) for path in modules}
    known = set(names.values())
    return {
        names[path]: Module(path, names[path], frozenset(_resolved(source, known)))
        for path, source in modules.items()
    }


def _dotted(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@lru_cache(maxsize=4096)
def _imports(source: str) -> tuple[tuple[str, str | None], ...]:
    """Return each imported module, with the imported member of `from module import member`."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, alias.name) for alias in node.names]
    return tuple(found)


def _resolved(source: str, known: set[str]) -> Iterator[str]:
    for module, member in _imports(source):
        yield f"{module}.{member}" if f"{module}.{member}" in known else module
        if module == "django" and member:
            yield f"{module}.{member}"


def _layer(name: str) -> int | None:
    """Return the level of a module's package, 0 for the lowest; None where no layer names it."""
    parts = name.split(".")
    package = parts[0] if parts[0] == "examples" else ".".join(parts[:2])
    levels = (level for level, packages in enumerate(LAYERS) if package in packages)
    return next(levels, None)


def unknown_rooms(modules: Modules) -> list[str]:
    """Find modules in a room, or in a package of urfmp, that the layers do not name."""
    known = set().union(*ROOMS)
    found = []
    for module in parse(modules).values():
        if _layer(module.name) is None:
            found.append(f"{module.path}: no layer names it")
        elif module.room is not None and module.room not in known:
            found.append(f"{module.path}: an app has no room {module.room!r}")
    return found


def upward_imports(modules: Modules) -> list[str]:
    """Find imports of a higher layer, or of a higher room in the same app."""
    rooms = {room: level for level, names in enumerate(ROOMS) for room in names}
    parsed = parse(modules)
    found = []
    for module in parsed.values():
        for name in sorted(module.imports & set(parsed)):
            other = parsed[name]
            here, there = _layer(module.name), _layer(name)
            if here is None or there is None:
                continue
            is_above = there > here
            if module.room and other.room:
                if here == there:
                    is_above = rooms.get(other.room, 0) > rooms.get(module.room, 0)
                elif other.room in PRESENTING:
                    is_above |= module.room not in PRESENTING
            if is_above:
                found.append(f"{module.path} imports {name}")
    return found


def http_in_services(modules: Modules) -> list[str]:
    """Find services that know of HTTP: requests, responses, or what reads them."""
    found = []
    for module in parse(modules).values():
        if module.room == "services":
            names = [name for name in sorted(module.imports) if name.startswith(HTTP)]
            found += [f"{module.path} imports {name}" for name in names]
    return found


def import_circles(modules: Modules) -> list[str]:
    """Find a circle of modules that import each other, directly or through others."""
    parsed = parse(modules)
    graph = {name: (module.imports & set(parsed)) - {name} for name, module in parsed.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def crowded_folders(modules: Modules) -> list[str]:
    """Find folders with more modules side by side than a reader can survey."""
    counts: dict[str, int] = {}
    for path in modules:
        folder = PurePosixPath(path)
        if folder.name != "__init__.py" and folder.parent.name != "migrations":
            counts[str(folder.parent)] = counts.get(str(folder.parent), 0) + 1
    return [
        f"{folder} has {count} modules"
        for folder, count in counts.items()
        if count > MAX_MODULES_IN_A_FOLDER
    ]
