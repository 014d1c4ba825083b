from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.organizations.selectors import organization_ids
from apps.telemetry.services.rollup_check import Fault, rollups_check, rollups_repair


class Command(BaseCommand):
    """Compare rollups and latest values with the points; exit with 1 where some stay different."""

    help = "Compare rollups and latest values with the points that they are made from."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="make anew what differs")
        parser.add_argument(
            "--since", type=date.fromisoformat, help="first day, as 2026-01-31, UTC"
        )
        parser.add_argument("--until", type=date.fromisoformat, help="last day, UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for organization_id in organization_ids():
            faults = rollups_check(organization_id, since=options["since"], until=options["until"])
            for fault in [*dict.fromkeys(faults)]:
                count += 1
                self.stdout.write(f"{organization_id} {_told(fault)}")
                if options["repair"]:
                    rollups_repair(organization_id, fault)
        if count == 0:
            self.stdout.write("Rollups and latest values are what the points say.")
        elif options["repair"]:
            self.stdout.write(f"{count} made anew.")
        else:
            self.stdout.write(f"{count} differ; --repair makes them anew.")
            sys.exit(1)


def _told(fault: Fault) -> str:
    when = f" on {fault.day}" if fault.day else ""
    return f"{fault.table}: {fault.metric_name} of robot {fault.robot_id}{when}"
