from __future__ import annotations

from urfmp.db.reports import ReportCommand


class Command(ReportCommand):
    """Show how often each index is used."""

    help = "Show how often each index is used, most used first."
    query = "index_usage"
