from __future__ import annotations

from urfmp.db.reports import ReportCommand


class Command(ReportCommand):
    """Show the size of each table, a hypertable with all its chunks."""

    help = "Show the size of each table with its indexes and chunks, largest first."
    query = "table_sizes"
