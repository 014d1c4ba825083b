"""Counts of open alerts in the header of every page."""

from __future__ import annotations

from typing import Any

from apps.alerts.selectors.open_counts import OpenAlertCounts, open_alert_counts


def header_counts(user: Any) -> OpenAlertCounts | None:
    """Return the counts, or None if the user may not view alerts."""
    return open_alert_counts(user) if user.has_perm("alerts.view_alert") else None
