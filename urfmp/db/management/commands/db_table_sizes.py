from __future__ import annotations

from urfmp.db.reports import ReportCommand


class Command(ReportCommand):
    """Show how large each table is, a hypertable with all of its chunks."""

    help = "Show how large each table is with its indexes and chunks, largest first."
    query = "table_sizes"
