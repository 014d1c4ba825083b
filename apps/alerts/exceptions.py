from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class AlertResolvedError(ApplicationError):
    """The alert is already resolved."""

    code = "alert_resolved"
