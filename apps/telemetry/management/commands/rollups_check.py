from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.telemetry.services.rollup_check import RollupMismatch, rollups_check, rollups_repair
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    """Compare rollups with the points; exit with 1 on mismatches."""

    help = "Compare rollups and latest values with the points."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="recompute the rows that differ")
        parser.add_argument(
            "--since", type=date.fromisoformat, help="first day (UTC), as in 2026-01-31"
        )
        parser.add_argument("--until", type=date.fromisoformat, help="last day (UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for organization_id in organization_ids():
            mismatches = rollups_check(
                organization_id, since=options["since"], until=options["until"]
            )
            for mismatch in [*dict.fromkeys(mismatches)]:
                count += 1
                self.stdout.write(f"{organization_id} {_describe(mismatch)}")
                if options["repair"]:
                    rollups_repair(organization_id, mismatch)
        if count == 0:
            self.stdout.write("Rollups and latest values match the points.")
        elif options["repair"]:
            self.stdout.write(f"{count} mismatches repaired.")
        else:
            self.stdout.write(f"{count} mismatches found; --repair repairs them.")
            sys.exit(1)


def _describe(mismatch: RollupMismatch) -> str:
    when = f" on {mismatch.day}" if mismatch.day else ""
    return f"{mismatch.table}: {mismatch.metric_name} of robot {mismatch.robot_id}{when}"
