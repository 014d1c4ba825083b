from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class AlertResolvedError(ApplicationError):
    """The alert is resolved already."""

    code = "alert_resolved"
