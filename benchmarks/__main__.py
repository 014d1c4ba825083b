"""Run the rows and print the table.

The exit code is 0 if every target was met.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time

import django

from benchmarks import rows
from benchmarks.bench import Bench, log_progress, prepare
from benchmarks.result import Result, table

# Order of the table; rows not named here follow in alphabetical order.
_ORDER = ("ingest", "ingest_vs_bulk_create", "small_requests", "series", "latest", "memory")


def row_names() -> list[str]:
    """Return the names of all rows in the table's order."""
    found = sorted(module.name for module in pkgutil.iter_modules(rows.__path__))
    return [*_ORDER, *(name for name in found if name not in _ORDER)]


def main(arguments: list[str] | None = None) -> int:
    """Run the selected rows; return 1 if a target was missed."""
    names = row_names()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=names, help="run one row")
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="telemetry rows for the read benchmarks"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="alternating rounds of product and yardstick"
    )
    parser.add_argument("--fresh", action="store_true", help="drop the data of earlier runs")
    options = parser.parse_args(arguments)
    bench = Bench(options.rows, options.rounds, prepare(fresh=options.fresh))
    django.setup()
    results = [_run(name, bench) for name in ([options.only] if options.only else names)]
    sys.stdout.write(table(results) + "\n")
    return 0 if all(result.is_met for result in results) else 1


def _run(name: str, bench: Bench) -> Result:
    log_progress(f"{name}:")
    began = time.monotonic()
    try:
        result: Result = importlib.import_module(f"benchmarks.rows.{name}").run(bench)
    except Exception as error:  # noqa: BLE001 - the other rows are still measured
        result = Result(name, f"failed: {error!r}", "", "", "", is_met=False)
    log_progress(f"  {' | '.join(result.cells())}  ({time.monotonic() - began:.0f} s)")
    for note in result.notes:
        log_progress(f"  {note}")
    return result


if __name__ == "__main__":
    sys.exit(main())
